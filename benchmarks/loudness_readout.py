"""Look for sparse codes of mini's latents from which a linear probe reads the level of a frame.

    python -m benchmarks.loudness_readout [--only NAME ...] [--work work/mini-analysis] [--out FILE.json]

Takes ``latents.h5``, ``held_out.h5`` and the SAEs in ``grid/`` that ``make mini-analysis`` leaves in ``--work``, trains
the other SAEs listed in ``VARIANTS`` on the same training files, and fits linear readouts of the 20 classes of loudness
on them: ridge regression of the level in dB, whose answer is put into its class, on the values of the features and on
values and marks (1 where a feature is active); and the softmax probe that ships. Scores are on held-out files and
on held-out combinations of note and instrument. What ``--out`` holds already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from analysis.probes import Features, ProbeTask, SparseFeatures, fit_ridge, score_classes, train_probe
from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig
from analysis.sae.formats import saelens
from analysis.sae.supervision import Supervision
from analysis.sae.train import Trainer
from generators.mini.codec import CodecNetwork, MiniCodec
from generators.mini.spectrogram import CEILING
from harness.datasets.reader import Dataset, open_dataset
from harness.files import write_json
from harness.fitting.probes import encode, frames_of, task_of
from harness.fitting.saes import load_sae
from harness.fitting.table import figures
from harness.recipe import FIT, PLAN, PROPERTIES, TABLE_EVERY

ROOT = Path(__file__).resolve().parent.parent
L2 = 1e-4
"""Of the ridge regressions."""
SPECTRUM = "spectrum"
"""Name in the result of what ``Study.measure_spectrum`` gives."""


@dataclass(frozen=True)
class Variant:
    """One SAE of the study."""

    architecture: str = "topk"
    d_sae: int = 2048
    k: int = 32
    steps: int = PLAN.steps
    whitened: bool = False
    """Train on channels of equal variance; the saved weights take and give latents as they are."""
    level_weight: float | None = None
    """Supervise the training with the frame's level, at this weight."""
    folder: str | None = None
    """Where the SAE lies under ``--work``, if it is not trained here."""


VARIANTS = {
    "shipped": Variant(folder="grid/topk-2048-k32"),
    "k 16": Variant(k=16, folder="grid/topk-2048-k16"),
    "k 8": Variant(k=8, folder="grid/topk-2048-k8"),
    "width 4096": Variant(d_sae=4096, folder="grid/topk-4096-k32"),
    "random": Variant(architecture="random", folder="control"),
    "level 4": Variant(level_weight=4.0),
    "level 8": Variant(level_weight=8.0),
    "level 12": Variant(level_weight=12.0),
    "whitened": Variant(whitened=True),
    "batch topk": Variant(architecture="batch_topk"),
    "jumprelu": Variant(architecture="jumprelu"),
    "matryoshka": Variant(architecture="matryoshka"),
    "2100 updates": Variant(steps=2100),
    "width 8192": Variant(d_sae=8192),
    "width 8192, k 8": Variant(d_sae=8192, k=8),
    "width 16384": Variant(d_sae=16384),
}


def train(variant: Variant, dataset: Dataset) -> SAE:
    """Train on the training files."""
    rows, supervision = dataset.rows("train")[:], []
    if variant.level_weight is not None:
        level = dataset.labels("loudness")[dataset.split == "train"]
        supervision.append(Supervision("loudness", level, variant.level_weight))
    config = SAEConfig(variant.architecture, rows.shape[1], variant.d_sae, k=variant.k)
    plan = replace(PLAN, steps=variant.steps, precision="bf16")
    deviation = rows.std(0) if variant.whitened else np.ones_like(rows[0])
    sae = Trainer(rows / deviation, [config], plan, dataset.source, supervision=supervision).run()[0]
    with torch.no_grad():
        sae.W_enc.div_(torch.from_numpy(deviation)[:, None])
        sae.W_dec.mul_(torch.from_numpy(deviation))
        sae.b_dec.mul_(torch.from_numpy(deviation))
    return sae


def with_marks(features: Features) -> SparseFeatures:
    """Add to every feature of a sparse code a second one, which is 1 where the first is active."""
    if not isinstance(features, SparseFeatures):
        raise TypeError("only sparse codes say which features are active")
    marks = (features.values > 0).float()
    indices = torch.cat([features.indices, features.indices + features.d_sae], 1)
    return SparseFeatures(indices, torch.cat([features.values, marks], 1), 2 * features.d_sae)


@dataclass(frozen=True)
class Study:
    """The data sets, and the frames that readouts are fitted and scored on."""

    files: Dataset
    combinations: Dataset
    every: int
    """Of how many frames one is used."""

    def measure(self, sae: SAE, softmax: tuple[str, ...]) -> dict[str, Any]:
        """Figures of one SAE: fidelity, readouts of the level, and softmax probes of the named properties."""
        frames = frames_of(self.files, every=self.every)
        features, tasks = encode(sae, frames.vectors[1.0]), {n: task_of(self.files, frames, n) for n in softmax}
        elsewhere = encode(sae, torch.from_numpy(self.combinations.rows()[:]))
        level = task_of(self.files, frames, "loudness")
        row = figures(sae, self.files)
        row["ridge, values"] = self._ridge(features, level, elsewhere)
        row["ridge, values and marks"] = self._ridge(with_marks(features), level, with_marks(elsewhere))
        for name, task in tasks.items():
            probe = train_probe(features, task, frames.source, encoder_sha256=sae.sha256, config=FIT)
            row[f"softmax, {name}"] = _score(probe.probabilities(features.take(task.rows("test"))), task)
        return row

    def measure_spectrum(self) -> dict[str, Any]:
        """Score the level of the spectrum that the linear part of the codec's decoder draws, through one smooth curve.

        No SAE is in it: it shows which function of the latents has to be read.
        """
        frames = frames_of(self.files, every=self.every)
        level, network = task_of(self.files, frames, "loudness"), MiniCodec.from_pretrained().network
        drawn = np.concatenate([_summed_power_db(rows, network) for rows in torch.split(frames.vectors[1.0], 4096)])
        train, test = level.rows("train"), level.rows("test")
        curve = Polynomial.fit(drawn[train], level.values[train], 5)
        return _score(np.eye(level.bins.count)[_classes(curve(drawn[test]), level)], level)

    def _ridge(self, features: Features, task: ProbeTask, elsewhere: Features) -> dict[str, Any]:
        train, test = task.rows("train"), task.rows("test")
        linear = fit_ridge(features.take(train), task.values[train], L2)

        def decode(part: Features) -> np.ndarray:
            return _classes(linear(part)[:, 0].numpy(), task)

        known = task.bins.index(self.combinations.labels(task.property))
        there = decode(elsewhere)[known >= 0] == known[known >= 0]
        return {
            **_score(np.eye(task.bins.count)[decode(features.take(test))], task),
            "train": float((decode(features.take(train)) == task.target[train]).mean()),
            "combinations": float(there.mean()),
        }


def _summed_power_db(latents: Tensor, network: CodecNetwork) -> np.ndarray:
    log_magnitude = latents @ network.synthesis + network.mean
    return np.asarray(10 / np.log(10) * torch.logsumexp(2 * log_magnitude.clamp(max=CEILING), 1).numpy())


def _classes(level_db: np.ndarray, task: ProbeTask) -> np.ndarray:
    """Put values into classes; those beyond the outermost edges into the outermost classes."""
    return task.bins.index(level_db.clip(task.bins.edges[0], task.bins.edges[-1]))


def _score(probabilities: np.ndarray, task: ProbeTask) -> dict[str, Any]:
    test = task.rows("test")
    score = score_classes(probabilities, task.target[test], task.groups[test])
    return {**score.accuracy.to_json(), "off_by_1": float(score.off_by_1.value)}


def as_markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the table of docs/mini.md."""
    readouts = ["ridge, values", "ridge, values and marks", *(f"softmax, {name}" for name in PROPERTIES)]
    columns = ["SAE", "fvu", "dead", "l0", *readouts]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, row in rows.items():
        cells = [name, f"{row['fvu']:.3f}", f"{row['dead']:.1%}", f"{row['l0']:.1f}"]
        cells += [f"{row[readout]['value']:.3f}" if readout in row else "" for readout in readouts]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="SAEs, by name")
    parser.add_argument("--softmax", nargs="*", choices=PROPERTIES, default=["loudness"], help="probes besides ridge")
    parser.add_argument("--every", type=int, default=TABLE_EVERY, help="fit and score on every n-th frame")
    parser.add_argument("--work", type=Path, default=Path("work/mini-analysis"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "loudness_readout.json")
    options = parser.parse_args()
    if not (options.work / "latents.h5").is_file():
        print(f"left out: nothing to study in {options.work}; `make mini-analysis` makes it, in an hour")
        return
    rows = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    with open_dataset(options.work / "latents.h5") as files, open_dataset(options.work / "held_out.h5") as combinations:
        study = Study(files, combinations, options.every)
        if SPECTRUM not in rows:
            rows[SPECTRUM] = study.measure_spectrum()
        for name in options.only:
            if all(f"softmax, {prop}" in rows.get(name, {}) for prop in options.softmax) and name in rows:
                continue
            variant, cpu_s = VARIANTS[name], time.process_time()
            folder = options.work / (variant.folder or f"loudness/{name.replace(', ', '-').replace(' ', '_')}")
            if not (folder / saelens.CONFIG_NAME).is_file():
                saelens.save(train(variant, files), folder, {"variant": asdict(variant)})
            row = {"variant": asdict(variant), "every": options.every} | study.measure(
                load_sae(folder), tuple(options.softmax)
            )
            rows[name] = rows.get(name, {}) | row | {"cpu_s": round(time.process_time() - cpu_s)}
            write_json(options.out, {known: rows[known] for known in (SPECTRUM, *VARIANTS) if known in rows})
    print(f"{SPECTRUM}: {rows.pop(SPECTRUM)['value']:.3f}", as_markdown(rows), sep="\n\n")


if __name__ == "__main__":
    main()
