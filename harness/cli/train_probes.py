"""``harness train-probes``: linear probes of a data set, with every control."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import debug_option, force_option, json_option
from harness.cli.values import FiniteRange, numbers, words
from harness.words import counted

if TYPE_CHECKING:
    from analysis.probes import ClassScore
    from harness.fitting.probes import FittedProbe


@click.command("train-probes")
@click.argument("data", metavar="DATA.h5", type=click.Path(path_type=Path))
@click.option(
    "--sae", "sae_folder", type=click.Path(path_type=Path), metavar="DIR", help="Read its features; else the vectors."
)
@click.option(
    "--properties",
    callback=words,
    default="pitch,loudness,timbre",
    show_default=True,
    metavar="A,B",
    help="What to read.",
)
@click.option(
    "--noise-at",
    callback=numbers(0, 1),
    metavar="T,T",
    help="Fit on clean latents with noise added as at these t, one set of weights each.",
)
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Use every N-th frame."
)
@click.option(
    "--classes-of",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take the classes of these probes; noise-aware ones need those of the clean ones they stand beside.",
)
@click.option("--balanced", is_flag=True, help="Give every class the same weight.")
@click.option(
    "--l2",
    type=FiniteRange(min=0, min_open=True),
    default=1e-4,
    show_default=True,
    metavar="X",
    help="Penalty on squared weights.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of controls and noise."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the probes.")
@force_option
@json_option
@debug_option
def command(
    data: Path,
    sae_folder: Path | None,
    properties: tuple[str, ...],
    noise_at: tuple[float, ...],
    every: int,
    classes_of: Path | None,
    balanced: bool,
    l2: float,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Fit linear probes on a data set, with all controls.

    Fitted on its training files, scored on its test files. Controls: majority (always the training shares), shuffled
    labels, the best 1 to 10 features, and beside an SAE the raw vectors and a random dictionary. Every accuracy has a
    95 % bootstrap interval over files.
    """
    from harness.files import check_output
    from harness.fitting import probes
    from harness.fitting.saes import load_sae

    check_output(out, force=force)

    from analysis.probes import FitConfig
    from harness.datasets.reader import open_dataset

    sae = load_sae(sae_folder) if sae_folder else None
    classes = probes.classes_of(classes_of) if classes_of else None
    config = FitConfig(l2=l2, class_weight="balanced" if balanced else None)
    with open_dataset(data) as dataset, progress_bar() as show:
        frames = probes.frames_of(dataset, every)
        if noise_at:
            frames = probes.noised(frames, noise_at, seed)
        fits = probes.fit_probes(
            dataset, frames, properties, out, sae=sae, classes=classes, config=config, seed=seed, progress=show
        )
        fitted = list(fits)
        document = {
            "dataset": str(dataset.path),
            "source": frames.source.to_json(),
            "sae": str(sae_folder) if sae_folder else None,
            "probes": [one.to_json() for one in fitted],
        }
    answer(document)
    for one in fitted:
        _show(one)


def _show(one: FittedProbe) -> None:
    info, controls = one.probe.info, one.controls
    score = controls.probe
    say(
        f"{info.property}: {score.frames} frames of {counted(score.groups, 'file')}, "
        f"{info.bins.count if info.bins else 0} classes"
    )
    rows = {"probe": score, "majority": controls.majority, "shuffled labels": controls.shuffled}
    rows |= {f"best {k} features": best for k, best in controls.best_k.items()}
    rows |= {name.replace("_", " "): other for name, other in controls.beside.items()}
    columns = ("", "accuracy", "95 %", "balanced", "off by 1", "error bins", "calibration")
    table(columns, [_row(name, row) for name, row in rows.items()])
    ridge = one.ridge
    say(f"  ridge regression: r2 {ridge.r2.value:.3f}, mean error {ridge.error.value:.3g} {info.unit}")
    if len(one.by_time) > 1:
        table(columns, [_row(f"t {t:.3g}", row) for t, row in one.by_time.items()])
    say(f"  {one.path}")


def _row(name: str, score: ClassScore) -> tuple[str, ...]:
    accuracy = score.accuracy
    return (
        name,
        f"{accuracy.value:.3f}",
        f"{accuracy.low:.3f}..{accuracy.high:.3f}",
        f"{score.balanced_accuracy.value:.3f}",
        f"{score.off_by_1.value:.3f}",
        f"{score.error_bins.value:.2f}",
        f"{score.calibration_error.value:.3f}",
    )
