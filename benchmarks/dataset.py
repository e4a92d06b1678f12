"""Memory of building data sets over a long corpus, and time beside the model's own encoding.

    python -m benchmarks.dataset [--hours 0.1 0.4] [--codec mini] [--encoder DIR --layer 6]

The corpus is synthesised: clips of 30 s of gliding tones with noise. Memory: peak of a build of each length, in a
process of its own, with one worker in that process. Speed: CPU time of the build over that of encoding the same audio
with the same model and nothing else; once with the usual properties and once with none.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import report

ROOT = Path(__file__).resolve().parent.parent
CLIP_S, RATE_HZ = 30, 44100
PROPERTIES = ("pitch", "loudness", "timbre")


def synthesise(folder: Path, hours: float) -> int:
    """Write the corpus as 16-bit files; return their number."""
    import soundfile

    count, rng = max(round(hours * 3600 / CLIP_S), 1), np.random.default_rng(0)
    time_s = np.arange(CLIP_S * RATE_HZ) / RATE_HZ
    for index in range(count):
        f0_hz = 110 * 2 ** (rng.uniform(0, 2) + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * time_s))
        audio = 0.2 * np.sin(2 * np.pi * np.cumsum(f0_hz) / RATE_HZ) + 0.002 * rng.standard_normal(len(time_s))
        soundfile.write(folder / f"{index:05d}.wav", audio.astype(np.float32), RATE_HZ, subtype="PCM_16")
    return count


def one_build(folder: Path, out: Path, codec: str, encoder: str | None, layer: int, names: list[str]) -> dict[str, Any]:
    """Build in this process, then encode the same files alone; return times and peak memory."""
    import torch

    from harness.datasets.audio import find_audio
    from harness.datasets.build import build
    from harness.datasets.encoders import encoder_sources
    from harness.datasets.sources import audio_sources

    torch.set_num_threads(1)
    sources = encoder_sources([folder], encoder, [layer], names) if encoder else audio_sources([folder], codec, names)
    collector = sources.collector
    segment_s = collector.segment_frames / sources.plan.frame_rate_hz  # type: ignore[attr-defined]
    alone_s = 0.0
    for unit in find_audio([folder]):
        for clip in unit.clips(segment_s):
            for audio in clip.segments:
                started = time.process_time()
                with torch.inference_mode():
                    collector.vectors(collector.prepare(torch.from_numpy(audio), clip.sample_rate_hz))  # type: ignore[attr-defined]
                alone_s += time.process_time() - started
    started = time.process_time()
    build(*sources, out)
    build_s = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"build_cpu_s": build_s, "encode_cpu_s": alone_s, "ratio": build_s / alone_s, "peak_bytes": peak}


def main() -> None:
    """Run every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[0.1, 0.4])
    parser.add_argument("--codec", default="mini")
    parser.add_argument("--encoder", help="folder or hub id, instead of the codec")
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "dataset.json")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(one_build(**json.loads(arguments.case, object_hook=_with_paths))))
        return
    rows = []
    for hours in arguments.hours:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "audio"
            folder.mkdir()
            clips = synthesise(folder, hours)
            for names in ([], list(PROPERTIES)):
                case = {
                    "folder": str(folder),
                    "out": str(Path(scratch) / f"{len(names)}.h5"),
                    "codec": arguments.codec,
                    "encoder": arguments.encoder,
                    "layer": arguments.layer,
                    "names": names,
                }
                command = [sys.executable, "-m", "benchmarks.dataset", "--case", json.dumps(case)]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
                rows.append({"hours": hours, "clips": clips, "properties": names, **json.loads(done.stdout)})
    report({"model": arguments.encoder or arguments.codec, "rows": rows}, arguments.out)


def _with_paths(values: dict[str, Any]) -> dict[str, Any]:
    return {key: Path(value) if key in ("folder", "out") else value for key, value in values.items()}


if __name__ == "__main__":
    main()
