"""Training SAEs on a data set: a grid side by side, a log while it goes on, one folder each at the end.

Folder of a training: ``log.jsonl`` (a record per SAE every few steps), ``checkpoint.safetensors`` until it is done,
then the SAE itself, or one folder per SAE of a grid, and ``summary.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from analysis.sae.base import SAE, build
from analysis.sae.config import SAEConfig
from analysis.sae.formats import saelens
from analysis.sae.learner import Record, TrainConfig
from analysis.sae.metrics import SAEMetrics, evaluate
from analysis.sae.supervision import Supervision
from analysis.sae.train import Trainer
from generators.codecs.base import Codec
from harness.datasets.reader import Dataset
from harness.errors import InputError, StorageError
from harness.files import check_output, write_json
from harness.fitting.sound import SoundMetrics, require_codec, sound_metrics

LOG, CHECKPOINT, SUMMARY = "log.jsonl", "checkpoint.safetensors", "summary.json"
CHECKPOINT_EVERY = 200


@dataclass(frozen=True)
class TrainedSAE:
    """One SAE of a training and its figures."""

    folder: Path
    config: SAEConfig
    train: SAEMetrics
    """On the rows it was trained on: what dead features are counted on."""
    held_out: SAEMetrics
    """On files that were not trained on."""
    measured_on: str
    """Split of ``held_out``."""
    sound: SoundMetrics | None = None
    """On some of its files, decoded; None where there was no codec to decode with."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "folder": str(self.folder),
            "config": self.config.to_json(),
            "measured_on": self.measured_on,
            "held_out": self.held_out.to_json(),
            "train": self.train.to_json(),
            "sound": None if self.sound is None else self.sound.to_json(),
        }


def grid(d_in: int, seed: int, settings: Mapping[str, Sequence[Any]]) -> list[SAEConfig]:
    """Every combination of ``settings``, field of ``SAEConfig`` -> values. Raises ``SAEError`` if one is impossible."""
    configs = []
    for values in product(*settings.values()):
        config = SAEConfig(d_in=d_in, seed=seed, **dict(zip(settings, values, strict=True)))
        build(config)
        configs.append(config)
    return configs


def train_saes(
    dataset: Dataset,
    configs: Sequence[SAEConfig],
    out: Path,
    plan: TrainConfig,
    *,
    device: str = "cpu",
    force: bool = False,
    progress: Callable[[Record], None] | None = None,
    codec: Codec | None = None,
    clips: int = 8,
    supervise: Mapping[str, float] | None = None,
) -> list[TrainedSAE]:
    """Train on the data set's train split and measure on held-out files. An interrupted training is continued.

    With the data set's ``codec`` given, reconstructions of up to ``clips`` held-out files are decoded and compared.
    ``supervise`` names properties, with weights, whose labels the codes must also reconstruct while they are trained.

    Raises
    ------
    InputError
        When ``codec`` is not the one the vectors are latents of, or the data set has no training files, or no labels
        of a property that is to supervise.
    ExistsError
        When ``out`` holds something else than an unfinished training and ``force`` is not given.
    SAEError
        When the unfinished training in ``out`` is of other data or settings, or the data cannot be trained on, such as
        with a property that does not exist in every training row.
    """
    if codec is not None:
        require_codec(dataset, codec)
    supervise, rows = dict(supervise or {}), dataset.rows("train")
    supervision = [
        Supervision(name, dataset.labels(name)[dataset.split == "train"], weight) for name, weight in supervise.items()
    ]
    _prepare(out, force=force)
    trainer = Trainer(rows, configs, plan, dataset.source, device, supervision)
    checkpoint = out / CHECKPOINT
    if checkpoint.exists():
        trainer.resume(checkpoint)
    _keep_log(out / LOG, trainer.steps_done)
    try:
        with (out / LOG).open("a", encoding="utf-8") as log:

            def note(record: Record) -> None:
                log.write(json.dumps(record.to_json()) + "\n")
                log.flush()
                if progress is not None:
                    progress(record)

            saes = trainer.run(note, checkpoint=checkpoint, checkpoint_every=CHECKPOINT_EVERY)
        trained = _save(saes, dataset, out, {"train_config": asdict(plan), "supervision": supervise}, codec, clips)
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror or error}") from error
    write_json(out / SUMMARY, summary(trained, dataset, plan, supervise))
    checkpoint.unlink(missing_ok=True)
    return trained


def summary(
    trained: Sequence[TrainedSAE], dataset: Dataset, plan: TrainConfig, supervise: Mapping[str, float]
) -> dict[str, Any]:
    """Return the document that is written as ``summary.json``."""
    return {
        "dataset": str(dataset.path),
        "source": dataset.source.to_json(),
        "training": asdict(plan),
        "supervision": dict(supervise),
        "saes": [one.to_json() for one in trained],
    }


def load_sae(folder: Path) -> SAE:
    """Load a native SAE folder. Raises ``InputError`` that lists the SAEs of a grid's folder."""
    if not (folder / saelens.CONFIG_NAME).is_file():
        inside = sorted(found.parent.name for found in folder.glob(f"*/{saelens.CONFIG_NAME}"))
        hint = f"give one of those in it: {', '.join(inside)}" if inside else "'harness train-sae' makes one"
        raise InputError(f"{folder} is no SAE folder (it has no {saelens.CONFIG_NAME}); {hint}")
    return saelens.load(folder)


def _save(
    saes: Sequence[SAE], dataset: Dataset, out: Path, training: dict[str, Any], codec: Codec | None, clips: int
) -> list[TrainedSAE]:
    present = {file.split for file in dataset.files}
    measured_on = next(split for split in ("test", "validation", "train") if split in present)
    trained = []
    for sae in saes:
        folder = out if len(saes) == 1 else out / _name(sae.config)
        held_out, train = evaluate(sae, dataset.rows(measured_on)), evaluate(sae, dataset.rows("train"))
        sound = None if codec is None else sound_metrics(sae, dataset, codec, measured_on, clips)
        trained.append(TrainedSAE(folder, sae.config, train, held_out, measured_on, sound))
        saelens.save(sae, folder, {**training, "measured_on": measured_on, **held_out.to_json()})
    return trained


def _name(config: SAEConfig) -> str:
    parts = [config.architecture, str(config.d_sae)]
    if config.k is not None:
        parts.append(f"k{config.k}")
    if config.sparsity is not None:
        parts.append(f"s{config.sparsity:g}")
    return "-".join(parts)


def _prepare(out: Path, *, force: bool) -> None:
    """Make ``out`` ready: empty, or with an unfinished training in it."""
    unfinished = (out / CHECKPOINT).is_file() or (out.is_dir() and {path.name for path in out.iterdir()} <= {LOG})
    check_output(out, force=force or unfinished)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if force:
            for name in (CHECKPOINT, LOG, SUMMARY):
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror}") from error


def _keep_log(path: Path, steps: int) -> None:
    """Drop records of steps that will be taken again."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        path.write_text("".join(line for line in whole if json.loads(line)["step"] <= steps), encoding="utf-8")
