"""Everything that is shipped for ``mini``, made again: ``make mini-analysis``. Needs FluidSynth; takes an hour.

Stages, each skipped when its result is there: clips of known notes as latents (``latents.h5``, and ``held_out.h5`` of
note/instrument combinations that are not in it), a grid of SAEs, the sparsity table, the chosen SAE with its control
and probes, and last, once the flow model is trained, noise-aware probes of the clean estimate along its trajectories.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.moves.fit import MovesConfig
from analysis.moves.storage import save_moves
from analysis.probes import FitConfig, Probe, score_classes
from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig
from analysis.sae.formats import saelens
from analysis.sae.learner import TrainConfig
from analysis.sae.metrics import evaluate
from analysis.source import Source
from generators.base import GenerationRequest
from generators.mini.codec import MiniCodec
from generators.mini.vocabulary import BRIGHTNESS_DB_PER_OCTAVE, HIGHEST_MIDI, INSTRUMENTS, LEVELS_LUFS, LOWEST_MIDI
from harness import shipped
from harness.codecs import CodecSpec
from harness.datasets.build import build
from harness.datasets.collect import AudioCollector
from harness.datasets.format import Plan
from harness.datasets.reader import Dataset, open_dataset
from harness.datasets.rendered import rendered_units
from harness.datasets.sources import trace_sources
from harness.doctor import MANIFEST
from harness.files import write_json
from harness.fitting.moves import EditPlan, moves_of
from harness.fitting.probes import Frames, classes_of, encode, fit_probes, frames_of, noised
from harness.fitting.saes import SUMMARY, load_sae, train_saes
from harness.fitting.table import figures, read_properties
from harness.models import load_generator
from harness.pipeline import run

HOME = shipped.HOME / "mini"
CLEAN = Path("probes", "latents")
PROPERTIES = ("pitch", "loudness", "timbre")
CLIPS, HELD_OUT_CLIPS, TRAJECTORIES = 8192, 480, 192
GRID = ((2048, 8), (2048, 16), (2048, 32), (4096, 32))
"""d_sae and k of the topk SAEs that are compared."""
PLAN, CONTROL_PLAN = TrainConfig(steps=700), TrainConfig(steps=200)
FIT = FitConfig(l2=1e-5, max_iterations=120)
MOVES, EDITS = MovesConfig(), EditPlan()
TABLE_EVERY, PROBE_EVERY = 6, 3
"""Frames that probes are fitted on, to compare SAEs and to ship."""
FIGURES = "figures.json"
TIMES = tuple(round(0.1 * i, 1) for i in range(11))
"""Where noise-aware probes are fitted."""
MOST_DEAD, MOST_FVU, MOST_FEATURES = 0.05, 0.10, 2048
"""What may ship: 2048 features, their control and probes are 4 MB."""


def make_latents(work: Path, workers: int) -> tuple[Path, Path]:
    """Clips of known notes as latents; and others, of the note/instrument combinations kept out of the first."""
    codec = MiniCodec.from_pretrained()
    source = Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels)
    plan = Plan(source, codec.frame_rate_hz, codec.sample_rate_hz, PROPERTIES)
    files, combinations = work / "latents.h5", work / "held_out.h5"
    for out, count in ((files, CLIPS), (combinations, HELD_OUT_CLIPS)):
        if not out.is_file():
            units = rendered_units(count, held_out=out == combinations)
            build(units, AudioCollector(CodecSpec("mini"), plan), plan, out, workers=workers, strict=True)
    return files, combinations


def train_grid(dataset: Dataset, out: Path) -> list[Path]:
    """Train all SAEs on one stream of batches; return their folders."""
    if not (out / SUMMARY).is_file():
        train_saes(dataset, [SAEConfig("topk", dataset.source.d_in, d_sae, k) for d_sae, k in GRID], out, PLAN)
    return [Path(sae["folder"]) for sae in json.loads((out / SUMMARY).read_text(encoding="utf-8"))["saes"]]


def sparsity_table(files: Dataset, combinations: Dataset, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Figures of every SAE: sparsity, fvu, dead features, and what probes read on held-out files and combinations."""
    for folder in folders:
        if not (folder / FIGURES).is_file():
            write_json(folder / FIGURES, _row(files, combinations, folder))
    return [json.loads((folder / FIGURES).read_text(encoding="utf-8")) for folder in folders]


def _row(files: Dataset, combinations: Dataset, folder: Path) -> dict[str, Any]:
    sae, frames = load_sae(folder), frames_of(files, every=TABLE_EVERY)
    row = figures(sae, files) | {"fvu_combinations": evaluate(sae, combinations.rows()).fvu, "folder": str(folder)}
    for name, reading in read_properties(sae, files, frames, PROPERTIES, FIT).items():
        row[name] = reading.to_json()
        if name in PROPERTIES:
            row[f"{name}_combinations"] = _on_combinations(reading.probe, sae, combinations)
    return row


def _on_combinations(probe: Probe, sae: SAE, combinations: Dataset) -> dict[str, Any]:
    if probe.info.bins is None:
        raise ValueError(f"the {probe.info.property} probe is no classifier")
    target = probe.info.bins.index(combinations.labels(probe.info.property))
    known = target >= 0
    probabilities = probe.probabilities(encode(sae, torch.from_numpy(combinations.rows()[:][known])))
    return score_classes(probabilities, target[known], combinations.groups[known]).accuracy.to_json()


def choose(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pick the SAE that probes read best, of those that reconstruct well, have few dead features and are small."""
    good = [
        row for row in rows if row["dead"] <= MOST_DEAD and row["fvu"] <= MOST_FVU and row["d_sae"] <= MOST_FEATURES
    ]
    return max(good, key=lambda row: sum(row[name]["value"] for name in PROPERTIES))


def train_control(dataset: Dataset, chosen: Path, out: Path) -> Path:
    """Train the random dictionary that stands beside the chosen SAE; return its folder."""
    if not (out / SUMMARY).is_file():
        config = replace(load_sae(chosen).config, architecture="random", seed=1)
        train_saes(dataset, [config], out, CONTROL_PLAN)
    return out


def ship(dataset: Dataset, chosen: Path, control: Path) -> None:
    """Copy the chosen SAE and its control, fit its probes, and noise-aware ones on states."""
    HOME.mkdir(exist_ok=True)
    for folder, name in ((chosen, "sae"), (control, "sae_random")):
        (HOME / name).mkdir(exist_ok=True)
        for file in (saelens.CONFIG_NAME, saelens.WEIGHTS_NAME):
            shutil.copyfile(folder / file, HOME / name / file)
    write_json(HOME / "source.json", dataset.source.to_json())
    frames = frames_of(dataset, every=PROBE_EVERY)
    _fit(dataset, frames, HOME / CLEAN, load_sae(chosen))
    _fit(dataset, noised(frames_of(dataset, every=TABLE_EVERY), TIMES), HOME / "probes" / "x_t", classes=HOME / CLEAN)


def ship_moves(dataset: Dataset) -> None:
    """Fit what steering by property rests on."""
    path = HOME / "moves" / "moves.safetensors"
    if not path.is_file():
        moves = moves_of(dataset, MiniCodec.from_pretrained(), MOVES, EDITS)
        path.parent.mkdir(exist_ok=True)
        save_moves(moves, path)


def trajectories(work: Path) -> Path:
    """Record ``mini`` on random prompts, and collect the clean estimates at ``TIMES``."""
    out = work / "x1_hat.h5"
    if not out.is_file():
        if not (work / "runs").is_dir():
            run(load_generator("mini"), list(_requests()), work / "runs", trace=True)
        build(*trace_sources([work / "runs"], PROPERTIES, "x1_hat", TIMES), out)
        shutil.rmtree(work / "runs")
    return out


def _requests() -> Iterator[GenerationRequest]:
    rng = np.random.default_rng(0)
    names = np.array(["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"])
    for seed in range(TRAJECTORIES):
        midis = rng.integers(LOWEST_MIDI, HIGHEST_MIDI + 1, rng.integers(1, 5))
        notes = " ".join(f"{names[midi % 12]}{midi // 12 - 1}" for midi in midis)
        words = [rng.choice(list(table)) for table in (LEVELS_LUFS, BRIGHTNESS_DB_PER_OCTAVE, INSTRUMENTS)]
        yield GenerationRequest(prompt=f"{' '.join(words)} {notes}", seed=seed)


def _fit(dataset: Dataset, frames: Frames, out: Path, sae: SAE | None = None, classes: Path | None = None) -> None:
    """Fit and write probes unless they are there, and their scores beside them as ``scores.json``.

    ``classes`` is a folder of probes whose classes are taken over.
    """
    path = out.with_name(f"{out.name}.scores.json")
    if not path.is_file():
        known = None if classes is None else classes_of(classes)
        fitted = fit_probes(dataset, frames, PROPERTIES, out, sae=sae, classes=known, config=FIT)
        write_json(path, [one.to_json() | {"path": one.path.name} for one in fitted])


def write_manifests() -> None:
    """List the digests of all weights beside them, as sha256sum does; ``harness doctor`` compares."""
    for folder in sorted({path.parent for path in HOME.rglob("*.safetensors")}):
        weights = {path.name: hashlib.sha256(path.read_bytes()) for path in sorted(folder.glob("*.safetensors"))}
        lines = [f"{digest.hexdigest()}  {name}\n" for name, digest in weights.items()]
        (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Write the sparsity table as the paper does. Two figures: held-out files / held-out combinations."""
    columns = ["SAE", "l0", "fvu", "dead", *PROPERTIES, "amplitude (linear)"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        scores = [f"{row[name]['value']:.3f} / {row[f'{name}_combinations']['value']:.3f}" for name in PROPERTIES]
        fvu = f"{row['fvu']:.3f} / {row['fvu_combinations']:.3f}"
        cells = [f"{row['architecture']} {row['d_sae']}", f"{row['l0']:.1f}", fvu, f"{row['dead']:.1%}", *scores]
        lines.append(f"| {' | '.join([*cells, format(row['amplitude']['value'], '.3f')])} |")
    majority = ", ".join(f"{name} {rows[0][name]['majority']:.3f}" for name in (*PROPERTIES, "amplitude"))
    return "\n".join([*lines, "", f"Always the most frequent class: {majority}."])


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description="Train what is shipped for mini.")
    parser.add_argument("--work", type=Path, default=Path("work/mini-analysis"), help="folder for intermediate files")
    parser.add_argument("--workers", type=int, default=2, help="processes that render and encode")
    parser.add_argument("--codec-only", action="store_true", help="leave out what needs the flow model")
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    paths = make_latents(work, arguments.workers)
    with open_dataset(paths[0]) as files, open_dataset(paths[1]) as combinations:
        rows = sparsity_table(files, combinations, train_grid(files, work / "grid"))
        chosen = Path(choose(rows)["folder"])
        control = train_control(files, chosen, work / "control")
        rows += sparsity_table(files, combinations, [control])
        ship(files, chosen, control)
        ship_moves(files)
    write_json(HOME / "table.json", [{key: row[key] for key in row if key != "folder"} for row in rows])
    if not arguments.codec_only:
        with open_dataset(trajectories(work)) as dataset:
            _fit(dataset, frames_of(dataset), HOME / "probes" / "x1_hat", classes=HOME / CLEAN)
    write_manifests()
    print(as_markdown(rows))


if __name__ == "__main__":
    main()
