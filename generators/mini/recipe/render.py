"""Training audio: random melodies played by FluidSynth with a General MIDI SoundFont, then tilted and levelled.

Needs the ``fluidsynth`` program, a SoundFont (Debian: ``fluid-soundfont-gm``) and the Python package ``mido``.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import pyloudnorm
import soundfile

from generators.mini.score import Note, spread
from generators.mini.vocabulary import (
    BRIGHTNESS_DB_PER_OCTAVE,
    HIGHEST_MIDI,
    INSTRUMENTS,
    LEVELS_LUFS,
    LOWEST_MIDI,
)

SAMPLE_RATE_HZ = 22050
HOP_SAMPLES = 1024
FRAMES = 108
"""Usual length of a clip in latent frames: 5 s."""
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_GAP_S = 1.5
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))


@dataclass(frozen=True)
class Clip:
    """A dry clip: what is played, by whom, and the sound, before tilt and level."""

    instrument: str
    notes: tuple[Note, ...]
    frames: int
    velocity: int
    audio: np.ndarray
    detuning: float = 0.0
    """Semitones by which all notes are off."""


def held_out(instrument: str, midi: int) -> bool:
    """Say whether this combination is kept out of training: a tenth of them, for the benchmarks."""
    return (list(INSTRUMENTS).index(instrument) * 7 + midi * 3) % 10 == 0


def near_held_out(instrument: str, midi: int, detuning: float) -> bool:
    """Say whether a note lies within 50 cents of one that this instrument is never to play in training."""
    return any(held_out(instrument, n) and abs(midi + detuning - n) <= 0.5 for n in (midi - 1, midi, midi + 1))


def melody(rng: np.random.Generator, instrument: str, frames: int, detuning: float = 0.0) -> tuple[Note, ...]:
    """Make up a melody: a walk on a scale or free leaps, evenly spaced or in a random rhythm, some with rests."""
    while True:
        count = int(min(rng.integers(1, 5), rng.integers(1, 7)) * max(1.0, frames / FRAMES))
        if rng.random() < 0.6:
            scale, key = _SCALES[rng.integers(len(_SCALES))], int(rng.integers(12))
            ladder = [n for n in range(LOWEST_MIDI, HIGHEST_MIDI + 1) if (n - key) % 12 in scale]
            position = int(rng.integers(len(ladder)))
            midis: list[int | None] = []
            for _ in range(count):
                midis.append(ladder[position])
                position = int(np.clip(position + rng.integers(-3, 4), 0, len(ladder) - 1))
        else:
            midis = [int(n) for n in rng.integers(LOWEST_MIDI, HIGHEST_MIDI + 1, count)]
        if any(near_held_out(instrument, n, detuning) for n in midis if n is not None):
            continue
        if count > 1 and rng.random() < 0.15:
            midis[int(rng.integers(1, count))] = None
        if rng.random() < 0.5:
            return tuple(spread(midis, frames))
        weights = rng.uniform(0.5, 1.5, len(midis))
        borders = np.round(np.concatenate([[0], np.cumsum(weights) / weights.sum()]) * frames).astype(int)
        return tuple(
            Note(n, int(a), int(b)) for n, a, b in zip(midis, borders[:-1], borders[1:], strict=True) if n is not None
        )


def _midi_file(plans: Sequence[tuple[str, tuple[Note, ...], int, int]], path: Path, detuning: float) -> list[int]:
    """Write all plans one after the other into one MIDI file; return each one's first sample."""
    # One tick is one sample: a quarter note of 1 s has SAMPLE_RATE_HZ ticks.
    file = mido.MidiFile(ticks_per_beat=SAMPLE_RATE_HZ)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    # General MIDI's pitch wheel bends by two semitones at most.
    track.append(mido.Message("pitchwheel", pitch=round(detuning / 2 * 8192)))
    events: list[tuple[int, int, mido.Message]] = []
    starts, at = [], 0
    for instrument, notes, frames, velocity in plans:
        starts.append(at)
        events.append((at, 0, mido.Message("program_change", program=INSTRUMENTS[instrument])))
        for note in notes:
            events.append(
                (at + note.start * HOP_SAMPLES, 2, mido.Message("note_on", note=note.midi, velocity=velocity))
            )
            events.append((at + note.end * HOP_SAMPLES, 1, mido.Message("note_off", note=note.midi)))
        at += frames * HOP_SAMPLES + int(_GAP_S * SAMPLE_RATE_HZ)
        events.append((at - 64, 0, mido.Message("control_change", control=120)))
    now = 0
    for time, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=time - now))
        now = time
    file.save(path)
    return starts


def play(
    plans: Sequence[tuple[str, tuple[Note, ...], int, int]], soundfont: Path = SOUNDFONT, *, detuning: float = 0.0
) -> list[Clip]:
    """Render ``(instrument, notes, frames, velocity)`` plans to dry mono clips, ``detuning`` semitones off."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "clips.mid", Path(folder) / "clips.wav"
        starts = _midi_file(plans, midi, detuning)
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-R",
            "0",
            "-C",
            "0",
            "-g",
            "0.6",
            "-r",
            str(SAMPLE_RATE_HZ),
            "-O",
            "float",
        ]
        subprocess.run([*command, "-F", str(wav), str(soundfont), str(midi)], check=True, capture_output=True)
        audio = soundfile.read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)
    clips = []
    for (instrument, notes, frames, velocity), start in zip(plans, starts, strict=True):
        samples = audio[start : start + frames * HOP_SAMPLES]
        samples = np.pad(samples, (0, frames * HOP_SAMPLES - len(samples)))
        clips.append(Clip(instrument, notes, frames, velocity, samples, detuning))
    return clips


def random_clips(
    seed: int, count: int, frames: int, batch: int = 64, *, detunings: Sequence[float] = (0.0,)
) -> Iterator[Clip]:
    """Yield ``count`` random dry clips, none with a held-out combination; batches take turns in their detuning."""
    rng = np.random.default_rng(seed)
    names = list(INSTRUMENTS)
    for first, detuning in zip(range(0, count, batch), itertools.cycle(detunings), strict=False):
        plans = []
        for k in range(first, min(first + batch, count)):
            instrument = names[k % len(names)]
            plans.append((instrument, melody(rng, instrument, frames, detuning), frames, int(rng.integers(45, 120))))
        yield from play(plans, detuning=detuning)


def finish(audio: np.ndarray, tilt_db_per_octave: float, lufs: float) -> np.ndarray:
    """Tilt a dry clip's spectrum around 1 kHz, fade its end, and set its integrated loudness."""
    spectrum = np.fft.rfft(audio)
    freqs_hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE_HZ)
    gain_db = np.clip(tilt_db_per_octave * np.log2(np.maximum(freqs_hz, 60.0) / 1000.0), -18.0, 15.0)
    shaped = np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(audio))
    shaped[-512:] *= np.linspace(1, 0, 512)
    measured = pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(shaped)
    levelled: np.ndarray = shaped * 10 ** ((lufs - measured) / 20)
    return levelled.astype(np.float32)


def random_finish(rng: np.random.Generator) -> tuple[str, str, float, float]:
    """Draw a level and a brightness, with their exact loudness and tilt jittered around the nominal ones."""
    level = list(LEVELS_LUFS)[rng.integers(len(LEVELS_LUFS))]
    brightness = list(BRIGHTNESS_DB_PER_OCTAVE)[rng.integers(len(BRIGHTNESS_DB_PER_OCTAVE))]
    lufs = LEVELS_LUFS[level] + rng.uniform(-1.5, 1.5)
    return level, brightness, lufs, BRIGHTNESS_DB_PER_OCTAVE[brightness] + rng.uniform(-0.7, 0.7)
