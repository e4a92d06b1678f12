"""Time of building data sets beside the model's own encoding, and memory over a long corpus.

    python -m benchmarks.dataset [--codec mini [--weights PATH]] [--encoder DIR --layer 6] [--memory-hours 0.5 10]

The corpus is synthesised: clips of 30 s of gliding tones with noise; a long one repeats its first clips under other
names. Time: of one worker with one thread, for encoding the audio and nothing else, for builds without and with the
usual properties, and for measuring each property alone, in turns; processor time holds on a busy machine. Memory: peak
of a build with the usual properties, for each length in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import against, in_turns, report

ROOT = Path(__file__).resolve().parent.parent
CLIP_S, RATE_HZ = 30, 44100
DISTINCT = 20
"""Clips that differ."""
PROPERTIES = ("pitch", "loudness", "timbre")


def synthesise(folder: Path, hours: float) -> int:
    """Write the corpus as 16-bit files; return their number."""
    import soundfile

    count, rng = max(round(hours * 3600 / CLIP_S), 1), np.random.default_rng(0)
    time_s = np.arange(CLIP_S * RATE_HZ) / RATE_HZ
    for index in range(min(count, DISTINCT)):
        f0_hz = 110 * 2 ** (rng.uniform(0, 2) + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * time_s))
        audio = 0.2 * np.sin(2 * np.pi * np.cumsum(f0_hz) / RATE_HZ) + 0.002 * rng.standard_normal(len(time_s))
        soundfile.write(folder / f"{index:05d}.wav", audio.astype(np.float32), RATE_HZ, subtype="PCM_16")
    for index in range(DISTINCT, count):
        os.link(folder / f"{index % DISTINCT:05d}.wav", folder / f"{index:05d}.wav")
    return count


def sources(case: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Units, collector and plan of a build."""
    from harness.codecs import CodecSpec
    from harness.datasets.encoders import encoder_sources
    from harness.datasets.sources import audio_sources

    folder = Path(case["folder"])
    if case["encoder"]:
        return encoder_sources([folder], case["encoder"], [case["layer"]], names)
    return audio_sources([folder], CodecSpec(case["codec"], case["weights"]), names)


def times(case: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Wall and CPU seconds of encoding, building and measuring the same audio in this process."""
    import torch
    from threadpoolctl import threadpool_limits

    from harness.datasets.build import build
    from harness.datasets.collect import measure

    bare, full = sources(case, ()), sources(case, PROPERTIES)
    collector, out = bare.collector, Path(case["folder"]).with_suffix(".h5")
    longest_s = collector.segment_frames / bare.plan.frame_rate_hz
    stretches = [
        (torch.from_numpy(audio), clip.sample_rate_hz)
        for unit in bare.units
        for clip in unit.clips(longest_s)
        for audio in clip.segments
    ]

    @torch.inference_mode()
    def encode() -> list[tuple[np.ndarray, int]]:
        heard = [collector.prepare(*stretch) for stretch in stretches]
        return [(audio.numpy(), len(collector.vectors(audio))) for audio in heard]

    heard = encode()

    def measured(name: str) -> None:
        for audio, frames in heard:
            measure(audio, replace(full.plan, properties=(name,)), frames)

    variants = {
        "encode": encode,
        "build, no properties": lambda: build(*bare, out, force=True),
        f"build, {', '.join(PROPERTIES)}": lambda: build(*full, out, force=True),
        **{name: lambda name=name: measured(name) for name in PROPERTIES},
    }
    torch.set_num_threads(1)
    with threadpool_limits(1):
        return {"frames": sum(n for _, n in heard), "rounds": rounds, **against(in_turns(variants, rounds), "encode")}


def peak_bytes(case: dict[str, Any]) -> int:
    """Most memory that this process ever had, after a build."""
    from harness.datasets.build import build

    build(*sources(case, PROPERTIES), Path(case["folder"]).with_suffix(".h5"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Run every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=0.1, help="length of the corpus that is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-hours", type=float, nargs="*", default=[0.5, 10])
    parser.add_argument("--codec", default="mini")
    parser.add_argument("--weights", help="of the codec, if not its own")
    parser.add_argument("--encoder", help="folder or hub id, instead of the codec")
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "dataset.json")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        case = json.loads(arguments.case)
        print(json.dumps(times(case, case["rounds"]) if case["rounds"] else peak_bytes(case)))
        return
    result = {"model": arguments.encoder or arguments.codec, "hours": arguments.hours}
    result["times"] = in_process(arguments, arguments.hours, arguments.rounds)
    result["memory"] = [
        {"hours": hours, "clips": round(hours * 3600 / CLIP_S), "peak_mb": round(in_process(arguments, hours) / 1e6)}
        for hours in arguments.memory_hours
    ]
    report(result, arguments.out)


def in_process(arguments: argparse.Namespace, hours: float, rounds: int = 0) -> Any:
    """Synthesise a corpus and run ``times``, or without rounds ``peak_bytes``, in a fresh process."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "audio"
        folder.mkdir()
        synthesise(folder, hours)
        model = {name: getattr(arguments, name) for name in ("codec", "weights", "encoder", "layer")}
        case = json.dumps({**model, "folder": str(folder), "rounds": rounds})
        command = [sys.executable, "-m", "benchmarks.dataset", "--case", case]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)


if __name__ == "__main__":
    main()
