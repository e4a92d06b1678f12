"""Peak memory and time of the commands that read recordings, on one long clip. Linux only.

    python -m benchmarks.long_clip [--codecs encodec wavtokenizer] [--minutes 5 30] [--full-size]

For each codec a checkpoint with random weights is written, narrow or with ``--full-size`` as wide as the published
model of 24 kHz and 75 frames a second, and an SAE and probes are trained on short clips. Then ``harness dataset build``
and ``harness edit`` run on one file of gliding tones, each in a process of its own as a user would run it: the kernel
says the most memory it had and the processor time it took. Clips of two lengths show what grows with the length. What
the edited file sounds like says nothing, for the weights are random.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from benchmarks.dataset import CLIP_S, RATE_HZ, synthesise
from benchmarks.timing import report

ROOT = Path(__file__).resolve().parent.parent
SHORT_CLIPS, SHORT_S = 24, 3
"""What SAE and probes are trained on."""


def encodec(path: Path, full_size: bool) -> None:
    """Write a model folder in transformers' form."""
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig() if full_size else EncodecConfig(num_filters=4, hidden_size=32)
    EncodecModel(config).save_pretrained(path)


def wavtokenizer(path: Path, full_size: bool) -> None:
    """Write the tensors that inference reads, by the published names; the rate is 24 kHz, 75 frames a second."""
    from generators.codecs.wavtokenizer.codec import FEATURES, Network
    from generators.codecs.wavtokenizer.settings import WavTokenizerSettings

    wide, narrow = (32, 512, 1, 4096, 768, 2304, 12), (4, 32, 1, 64, 32, 48, 2)
    network = Network(WavTokenizerSettings((8, 5, 4, 2), *(wide if full_size else narrow), norm_rows=4, n_fft=1280))
    network.codebook.normal_()
    decoder = ("backbone.", "head.")
    state = network.named_state()
    save_file({name if name.startswith(decoder) else FEATURES + name: state[name] for name in state}, path)


WRITERS: dict[str, Callable[[Path, bool], None]] = {"encodec": encodec, "wavtokenizer": wavtokenizer}


def lengthen(clip: Path, minutes: float, out: Path) -> None:
    """Write a clip again and again."""
    audio, rate_hz = soundfile.read(clip, dtype="int16")
    with soundfile.SoundFile(out, "w", rate_hz, 1, "PCM_16") as file:
        for _ in range(max(round(minutes * 60 / CLIP_S), 1)):
            file.write(audio)


def shorten(clip: Path, folder: Path) -> None:
    """Write short clips of different loudness, cut from one."""
    audio, rng = soundfile.read(clip, dtype="float32")[0], np.random.default_rng(0)
    for index in range(SHORT_CLIPS):
        start = int(rng.integers(len(audio) - SHORT_S * RATE_HZ))
        level_db = np.repeat(rng.uniform(-40, 0, SHORT_S), RATE_HZ)
        cut = audio[start : start + SHORT_S * RATE_HZ] * 10 ** (level_db / 20)
        soundfile.write(folder / f"{index}.wav", cut, RATE_HZ, subtype="PCM_16")


def run(*arguments: object) -> dict[str, float]:
    """Run a command of the harness; say what it took."""
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    begun_s = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "wall_s": round(time.perf_counter() - begun_s, 1),
    }


def measure(codec: str, lengths_min: list[float], full_size: bool, scratch: Path) -> list[dict[str, Any]]:
    """Measure one codec on clips of several lengths."""
    tones, short, weights = scratch / "tones", scratch / "short", scratch / f"{codec}.safetensors"
    for folder in (tones, short):
        folder.mkdir()
    synthesise(tones, CLIP_S / 3600)
    (clip,) = tones.iterdir()
    shorten(clip, short)
    torch.manual_seed(0)
    WRITERS[codec](weights, full_size)
    model = ("--codec", codec, "--weights", weights)
    data, sae, probes = scratch / "short.h5", scratch / "sae", scratch / "probes"
    run("dataset", "build", short, *model, "--properties", "loudness", "--out", data)
    run("train-sae", data, "--width", 128, "--k", 8, "--steps", 100, "--clips", 0, "--out", sae)
    run("train-probes", data, "--sae", sae, "--properties", "loudness", "--out", probes)
    rows = []
    for minutes in lengths_min:
        long, artifacts = scratch / f"{minutes:g}.wav", ("--sae", sae, "--probes", probes)
        lengthen(clip, minutes, long)
        built = run("dataset", "build", long, *model, "--out", scratch / f"{minutes:g}.h5")
        edited = run(
            "edit", long, *model, *artifacts, "--set", "loudness=-6dB", "-o", scratch / f"{minutes:g}_edited.wav"
        )
        rows.append({"codec": codec, "full_size": full_size, "minutes": minutes, "build": built, "edit": edited})
    return rows


def main() -> None:
    """Measure every codec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 30])
    parser.add_argument("--full-size", action="store_true", help="as wide as the published models: takes an hour")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "long_clip.json")
    arguments = parser.parse_args()
    rows = []
    for codec in arguments.codecs:
        with tempfile.TemporaryDirectory() as scratch:
            rows += measure(codec, arguments.minutes, arguments.full_size, Path(scratch))
    report({"clips": rows}, arguments.out)


if __name__ == "__main__":
    main()
