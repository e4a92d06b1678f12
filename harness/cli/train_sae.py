"""``harness train-sae``: sparse autoencoders of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import answer, progress_bar, table
from harness.cli.options import debug_option, device_option, force_option, json_option
from harness.cli.values import FiniteRange, parse_settings

if TYPE_CHECKING:
    from analysis.sae.learner import Record
    from harness.fitting.saes import TrainedSAE

_KINDS = {"arch": str, "width": int, "k": int, "sparsity": float}
_FIELDS = {"arch": "architecture", "width": "d_sae"}


def _read_grid(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, list[Any]]:
    """Read ``KEY=V,V``; an option's callback."""
    found: dict[str, list[Any]] = {}
    for text in value:
        key, _, values = text.partition("=")
        if key not in _KINDS or not values:
            raise click.BadParameter(f"{text!r} is not of the form KEY=V,V with KEY one of {', '.join(_KINDS)}.")
        try:
            found[key] = [_KINDS[key](part) for part in values.split(",")]
        except ValueError:
            raise click.BadParameter(f"{values!r} are no values of {key}.") from None
    return found


def _read_weights(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    """Read ``NAME=WEIGHT``; an option's callback."""
    positive = FiniteRange(min=0, min_open=True)
    return {
        name: positive.convert(str(weight), param, ctx) for name, weight in parse_settings(ctx, param, value).items()
    }


@click.command("train-sae")
@click.argument("data", metavar="DATA.h5", type=click.Path(path_type=Path))
@click.option("--arch", default="topk", show_default=True, metavar="NAME", help="Architecture; see 'harness list'.")
@click.option("--width", type=click.IntRange(1), default=2048, show_default=True, metavar="N", help="Features.")
@click.option(
    "--k", type=click.IntRange(1), metavar="N", help="Active features a row (topk and others).  [default: 32 for topk]"
)
@click.option("--sparsity", type=FiniteRange(min=0), metavar="X", help="Weight of the sparsity term (standard, rms).")
@click.option(
    "--grid",
    multiple=True,
    callback=_read_grid,
    metavar="KEY=V,V",
    help="Train every combination on one stream of batches: arch=, width=, k= or sparsity=.",
)
@click.option(
    "--supervise",
    multiple=True,
    callback=_read_weights,
    metavar="PROPERTY=WEIGHT",
    help="Let the code also reconstruct a label of the data set while it is trained, as in loudness=8.",
)
@click.option("--steps", type=click.IntRange(1), default=2000, show_default=True, metavar="N", help="Batches.")
@click.option("--batch-size", type=click.IntRange(1), default=4096, show_default=True, metavar="N", help="Rows each.")
@click.option(
    "--learning-rate",
    type=FiniteRange(min=0, min_open=True),
    default=3e-3,
    show_default=True,
    metavar="X",
    help="Peak of Adam's.",
)
@click.option(
    "--precision", type=click.Choice(["float32", "bf16"]), default="float32", show_default=True, help="Of products."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of weights and batches."
)
@device_option
@click.option(
    "--clips", type=click.IntRange(0), default=8, show_default=True, metavar="N", help="Held-out files to decode."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the SAE or grid.")
@force_option
@json_option
@debug_option
def command(
    data: Path,
    arch: str,
    width: int,
    k: int | None,
    sparsity: float | None,
    grid: dict[str, list[Any]],
    supervise: dict[str, float],
    steps: int,
    batch_size: int,
    learning_rate: float,
    precision: str,
    seed: int,
    device: str,
    clips: int,
    out: Path,
    force: bool,
) -> None:
    """Train sparse autoencoders on a data set.

    They train on its training files and are measured on the others. An interrupted training is continued by the same
    command. With --grid each SAE gets a folder of its own in DIR.

    With --supervise the encoder still reads vectors only, and the SAE is saved as one of the vectors, but its features
    also add up to the property: WEIGHT is how far that spreads, in units of the spread of a channel of the vectors.
    """
    from analysis.sae.learner import TrainConfig
    from harness.codecs import CodecSpec
    from harness.datasets.reader import open_dataset
    from harness.fitting import saes
    from harness.models import check_device

    check_device(device)
    if (arch, k) == ("topk", None) and not grid.keys() & {"arch", "k"}:
        k = 32
    settings: dict[str, list[Any]] = {"arch": [arch], "width": [width], "k": [k], "sparsity": [sparsity], **grid}
    with open_dataset(data) as dataset, progress_bar() as show:
        configs = saes.grid(
            dataset.source.d_in, seed, {_FIELDS.get(key, key): values for key, values in settings.items()}
        )
        decodable = clips and dataset.source.hook_point == "latents"
        codec = CodecSpec(**(dataset.codec or {"name": dataset.source.model_id})).load() if decodable else None
        plan = TrainConfig(steps, batch_size, learning_rate, precision=precision, seed=seed)  # type: ignore[arg-type]
        try:
            trained = saes.train_saes(
                dataset,
                configs,
                out,
                plan,
                device=device,
                force=force,
                progress=_live(len(configs), steps, show),
                codec=codec,
                clips=clips,
                supervise=supervise,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; the same command continues from the last checkpoint") from None
        document = saes.summary(trained, dataset, plan, supervise)
    answer(document)
    _show(trained)


def _live(count: int, steps: int, show: Callable[[str, int, int], None]) -> Callable[[Record], None]:
    """Make a callback that shows the figures of all SAEs once each has reported."""
    latest: dict[int, Record] = {}

    def note(record: Record) -> None:
        latest[record.sae] = record
        if record.sae == count - 1:
            shown = [latest[index] for index in sorted(latest)]
            fvu = " ".join(f"{one.fvu:.3f}" for one in shown)
            l0 = " ".join(f"{one.l0:.0f}" for one in shown)
            dead = " ".join(f"{one.dead:.0%}" for one in shown)
            show(f"fvu {fvu}  l0 {l0}  dead {dead}", record.step, steps)

    return note


def _show(trained: list[TrainedSAE]) -> None:
    """Print figures on held-out vectors, and how far decoded reconstructions are from decoded vectors."""
    rows = [
        (
            one.config.architecture,
            one.config.d_sae,
            f"{one.held_out.l0:.1f}",
            f"{one.held_out.fvu:.4f}",
            f"{one.train.fvu:.4f}",
            f"{one.train.dead:.1%}",
            f"{one.train.dense:.1%}",
            one.folder,
        )
        for one in trained
    ]
    table(("arch", "width", "l0", f"fvu {trained[0].measured_on}", "fvu train", "dead", "dense", "folder"), rows)
    columns = ("decoded: differences", "log-mel dB", "pitch semitones", "loudness dB", "timbre octaves")
    heard = [(one.folder, *(f"{value:.3f}" for value in astuple(one.sound)[1:])) for one in trained if one.sound]
    if heard:
        table(columns, heard)
