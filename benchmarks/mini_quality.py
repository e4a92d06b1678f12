"""How well ``mini`` does what a prompt says, judged by librosa's pyin, pyloudnorm and an independent classifier.

Prompts use wordings and note/instrument combinations that training never saw. Needs fluidsynth and mido (the classifier
and the codec's figures are made from renders).

    python -m benchmarks.mini_quality --out benchmarks/results/mini_quality.json [--quick] [--guidance-scale X]
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pyloudnorm
import torch
from scipy.stats import spearmanr
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from generators.base import Generation, GenerationRequest
from generators.mini.generator import MiniGenerator
from generators.mini.prompt import read
from generators.mini.recipe.render import FRAMES, SAMPLE_RATE_HZ, finish, held_out, random_clips, random_finish
from generators.mini.score import Note, spread
from generators.mini.vocabulary import (
    BRIGHTNESS_DB_PER_OCTAVE,
    HIGHEST_MIDI,
    INSTRUMENTS,
    LEVELS_LUFS,
    LOWEST_MIDI,
)

HOP_SAMPLES = 1024
LEVEL_WORDS = {
    "pp": "at a barely audible volume",
    "p": "softly",
    "mf": "at medium volume",
    "f": "loudly",
    "ff": "as loud as possible",
}
BRIGHTNESS_WORDS = {"dark": "muffled", "neutral": "plain", "bright": "crisp"}
INSTRUMENT_WORDS = {
    "piano": "grand piano",
    "vibraphone": "vibes",
    "marimba": "marimba",
    "guitar": "classical guitar",
    "violin": "fiddle",
    "choir": "voices",
    "trumpet": "cornet",
    "saxophone": "alto sax",
    "oboe": "oboe",
    "clarinet": "clarinet",
    "flute": "transverse flute",
    "synth": "saw lead",
}
TEMPLATES = (
    "{notes}, {level}, on {article} {brightness} {instrument}",
    "I would like {article} {brightness} {instrument} performing {notes} {level}",
    "{instrument} {notes} {level} {brightness}",
)
NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F sharp ", "G", "A flat ", "A", "Bb", "B")


def note_name(midi: int) -> str:
    """Name of a note, mixing the spellings a user may choose."""
    return f"{NOTE_NAMES[midi % 12]}{midi // 12 - 1}"


def generate(generator: MiniGenerator, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Generation]:
    """Generate in batches of eight."""
    requests = [GenerationRequest(p, seed=s) for p, s in zip(prompts, seeds, strict=True)]
    for first in range(0, len(requests), 8):
        yield from generator.generate_batch(requests[first : first + 8])


def note_hits(audio: np.ndarray, notes: Sequence[Note]) -> list[bool]:
    """For each note, whether pyin's median pitch over its middle lies within 50 cents.

    Only frames within 30 dB of the note's loudest count: a struck bar has died away long before its share of the clip
    ends, and what pyin reads in the silence after it is nobody's pitch.
    """
    f0_hz, _, _ = librosa.pyin(audio, fmin=100, fmax=1400, sr=SAMPLE_RATE_HZ, frame_length=2048, hop_length=512)
    rms = librosa.feature.rms(y=audio, frame_length=2048, hop_length=512)[0]
    hits = []
    for note in notes:
        inside = slice(2 * note.start + 3, 2 * note.end - 1)
        part = f0_hz[inside][rms[inside] > 10 ** (-30 / 20) * rms[inside].max(initial=0)]
        part = part[np.isfinite(part)]
        wanted = librosa.midi_to_hz(note.midi)
        hits.append(bool(len(part) and abs(1200 * np.log2(np.median(part) / wanted)) < 50))
    return hits


def lufs(audio: np.ndarray) -> float:
    """Integrated loudness of a clip."""
    return float(pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(audio))


def centroid_hz(audio: np.ndarray) -> np.ndarray:
    """Spectral centroid of the frames that are within 40 dB of the loudest."""
    magnitude = np.abs(librosa.stft(audio, n_fft=2048, hop_length=1024))
    loud = magnitude.sum(0) > 0.01 * magnitude.sum(0).max()
    freqs_hz = librosa.fft_frequencies(sr=SAMPLE_RATE_HZ, n_fft=2048)[:, None]
    return (magnitude * freqs_hz).sum(0)[loud] / magnitude.sum(0)[loud]


def describe(audio: np.ndarray) -> np.ndarray:
    """Level-independent MFCC statistics for the classifier."""
    audio = audio / (np.sqrt(np.mean(audio**2)) + 1e-9)
    mfcc = librosa.feature.mfcc(y=audio, sr=SAMPLE_RATE_HZ, n_mfcc=20)[1:]
    delta = np.diff(mfcc, axis=1)
    flux = np.maximum(0, np.diff(librosa.feature.rms(y=audio)[0]))
    return np.concatenate(
        [mfcc.mean(1), mfcc.std(1), delta.std(1), np.percentile(mfcc, 90, axis=1), [flux.max(), flux.mean()]]
    )


def renders(seed: int, count: int) -> list[tuple[str, Sequence[Note], np.ndarray, float]]:
    """Finished random clips: instrument, notes, audio, loudness."""
    rng = np.random.default_rng(seed)
    made = []
    for clip in random_clips(seed, count, FRAMES):
        _, _, loudness, tilt = random_finish(rng)
        made.append((clip.instrument, clip.notes, finish(clip.audio, tilt, loudness), loudness))
    return made


@torch.no_grad()
def through_codec(generator: MiniGenerator, audio: Sequence[np.ndarray]) -> np.ndarray:
    """Encode and decode clips of one length."""
    codec = generator.codec
    batches = torch.from_numpy(np.stack(audio))[:, None].split(16)
    return np.concatenate([codec.decode(codec.encode(b, SAMPLE_RATE_HZ))[:, 0].numpy() for b in batches])


def codec_figures(generator: MiniGenerator, count: int) -> dict[str, Any]:
    """Pitch, level and centroid of rendered clips that went through the codec alone."""
    clips = renders(777, count)
    decoded = through_codec(generator, [audio for _, _, audio, _ in clips])
    hits = [h for (_, notes, _, _), y in zip(clips, decoded, strict=True) for h in note_hits(y, notes)]
    direct = [h for _, notes, x, _ in clips for h in note_hits(x, notes)]
    level = [abs(lufs(y) - loudness) for (_, _, _, loudness), y in zip(clips, decoded, strict=True)]
    octaves = [
        abs(np.log2(np.mean(centroid_hz(y)) / np.mean(centroid_hz(x))))
        for (_, _, x, _), y in zip(clips, decoded, strict=True)
    ]
    return {
        "notes_within_50_cents": np.mean(hits),
        "notes_within_50_cents_before_codec": np.mean(direct),
        "level_error_db": np.mean(level),
        "centroid_error_octaves": np.mean(octaves),
        "notes": len(hits),
    }


def classifier(generator: MiniGenerator, count: int) -> tuple[Any, float]:
    """Instrument classifier fitted on renders before and after the codec, and its accuracy on unseen ones after it."""
    clips = renders(888, count)
    decoded = through_codec(generator, [audio for _, _, audio, _ in clips])
    names = [name for name, _, _, _ in clips]
    split = int(0.8 * count)
    model = make_pipeline(StandardScaler(), SVC(C=10, gamma=0.004))
    raw = [describe(audio) for _, _, audio, _ in clips]
    coded = [describe(audio) for audio in decoded]
    model.fit(raw[:split] + coded[:split], names[:split] * 2)
    return model, float(model.score(coded[split:], names[split:]))


def notes_figures(generator: MiniGenerator, judge: Any, count: int, *, rendered: bool = False) -> dict[str, Any]:
    """Judge notes and instruments of prompts that ask for everything.

    Combinations of note and instrument are those held out of training or, for comparison, those ``rendered`` for it.
    """
    rng = np.random.default_rng(5)
    prompts, asked = [], []
    for k in range(count):
        name = list(INSTRUMENTS)[k % len(INSTRUMENTS)]
        kept = [n for n in range(LOWEST_MIDI, HIGHEST_MIDI + 1) if held_out(name, n) != rendered]
        midis = [int(n) for n in rng.choice(kept, rng.integers(1, 5))]
        prompts.append(
            TEMPLATES[k % len(TEMPLATES)].format(
                notes=" then ".join(note_name(n) for n in midis),
                level=LEVEL_WORDS[list(LEVELS_LUFS)[k % 5]],
                brightness=BRIGHTNESS_WORDS[list(BRIGHTNESS_DB_PER_OCTAVE)[k % 3]],
                instrument=INSTRUMENT_WORDS[name],
                article="a",
            )
        )
        asked.append((name, spread(midis, generator.plan(GenerationRequest("")).frames)))
        if read(prompts[-1]).notes != tuple(midis):
            raise RuntimeError(f"prompt not read as meant: {prompts[-1]!r}")
    hits: dict[str, list[bool]] = {name: [] for name in INSTRUMENTS}
    named = {name: [] for name in INSTRUMENTS}
    for (name, notes), made in zip(asked, generate(generator, prompts, range(count)), strict=True):
        hits[name] += note_hits(made.audio[0], notes)
        named[name].append(bool(judge.predict([describe(made.audio[0])])[0] == name))
    return {
        "notes_within_50_cents": np.mean(list(itertools.chain(*hits.values()))),
        "notes": sum(map(len, hits.values())),
        "notes_by_instrument": {name: np.mean(values) for name, values in hits.items()},
        "instrument_accuracy": np.mean(list(itertools.chain(*named.values()))),
        "instrument_by_instrument": {name: np.mean(values) for name, values in named.items()},
        "clips": count,
    }


def sweep(
    generator: MiniGenerator, words: dict[str, str], measure: Any, count: int
) -> tuple[np.ndarray, list[Generation]]:
    """Measure the same prompt and seed once per word: ``[count, len(words)]``."""
    prompts = [
        f"{word} {INSTRUMENT_WORDS[list(INSTRUMENTS)[k % len(INSTRUMENTS)]]} {note_name(LOWEST_MIDI + (k * 5) % 37)}"
        for k in range(count)
        for word in words.values()
    ]
    seeds = [1000 + k for k in range(count) for _ in words]
    made = list(generate(generator, prompts, seeds))
    return np.array([measure(m.audio[0]) for m in made]).reshape(count, len(words)), made


def style_figures(generator: MiniGenerator, count: int) -> dict[str, Any]:
    """Loudness and brightness: over mixed instruments and seeds, and in sweeps of one seed."""
    asked = np.array(list(LEVELS_LUFS.values()))
    loudness, _ = sweep(generator, LEVEL_WORDS, lufs, count)
    octaves, _ = sweep(generator, BRIGHTNESS_WORDS, lambda audio: np.log2(np.mean(centroid_hz(audio))), count)
    return {
        "level_spearman": spearmanr(np.tile(asked, count), loudness.ravel()).statistic,
        "level_sweeps_monotonic": np.mean((np.diff(loudness, axis=1) > 0).all(1)),
        "level_error_db": np.mean(np.abs(loudness - asked)),
        "level_mean_lufs": dict(zip(LEVELS_LUFS, loudness.mean(0), strict=True)),
        "brightness_sweeps_monotonic": np.mean((np.diff(octaves, axis=1) > 0).all(1)),
        "brightness_mean_octaves_from_neutral": (octaves.mean(0) - octaves.mean(0)[1]).tolist(),
        "sweeps": count,
    }


def seed_figures(generator: MiniGenerator) -> dict[str, Any]:
    """Whether seeds matter and only seeds matter."""
    prompt = "a gentle bright flute melody"
    first, again, other = (generator.generate(GenerationRequest(prompt, seed=s)).audio for s in (1, 1, 2))
    mel_db = [librosa.power_to_db(librosa.feature.melspectrogram(y=a[0], sr=SAMPLE_RATE_HZ)) for a in (first, other)]
    return {
        "same_seed_identical": bool(np.array_equal(first, again)),
        "other_seed_mel_distance_db": np.mean(np.abs(mel_db[0] - mel_db[1])),
    }


def speed_figures(generator: MiniGenerator) -> dict[str, Any]:
    """Seconds for a 5 s clip of 32 steps after loading, and of the whole command."""
    request = GenerationRequest("a gentle bright flute melody")
    generator.generate(request)
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        made = generator.generate(request)
        spent.append(time.perf_counter() - started)
    seconds = float(np.median(spent))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness", "generate", "--prompt", request.prompt, "--out", f"{folder}/run"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        whole = time.perf_counter() - started
    audio_s = made.audio.shape[1] / made.sample_rate_hz
    return {
        "generation_s": seconds,
        "audio_s": audio_s,
        "times_real_time": audio_s / seconds,
        "command_s": whole,
        "threads": torch.get_num_threads(),
    }


def rounded(value: Any) -> Any:
    """Plain numbers with four digits, for JSON."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


def main() -> None:
    """Measure everything and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mini_quality.json"))
    parser.add_argument("--quick", action="store_true", help="a fifth of the prompts; figures too noisy to quote")
    parser.add_argument("--guidance-scale", type=float, help="instead of the generator's default")
    arguments = parser.parse_args()
    size = functools.partial(lambda n, share: max(12, int(n * share)), share=0.2 if arguments.quick else 1.0)
    generator = MiniGenerator.from_pretrained()
    if arguments.guidance_scale is not None:
        generator.rules = dataclasses.replace(generator.rules, guidance_scale=arguments.guidance_scale)
    judge, ceiling = classifier(generator, size(2000))
    result = {
        "weights_sha256": generator.weights_sha256,
        "codec": codec_figures(generator, size(60)),
        "prompts": notes_figures(generator, judge, size(144)),
        "prompts_of_rendered_combinations": notes_figures(generator, judge, size(72), rendered=True),
        "classifier_ceiling": ceiling,
        "styles": style_figures(generator, size(36)),
        "seeds": seed_figures(generator),
        "speed": speed_figures(generator),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rounded(result), indent=2) + "\n")
    print(json.dumps(rounded(result), indent=2))


if __name__ == "__main__":
    main()
