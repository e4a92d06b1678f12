"""``harness sae``: SAE folders of other libraries."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import click

from harness.cli.console import answer, say
from harness.cli.options import debug_option, force_option, json_option

_FORMATS = ("dictionary_learning", "sparsify")
_format_option = click.option(
    "--format", "format_name", required=True, type=click.Choice(_FORMATS), help="The other library."
)
_out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to write."
)
_folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.group("sae")
@debug_option
def command() -> None:
    """Exchange sparse autoencoders with other libraries.

    Ours are SAELens folders already.
    """


@command.command("export")
@_folder_argument
@_format_option
@_out_option
@force_option
@json_option
@debug_option
def export(folder: Path, format_name: str, out: Path, force: bool) -> None:
    """Write an SAE of ours as a folder of another library."""
    from harness.files import check_output
    from harness.fitting.saes import load_sae

    check_output(out, force=force)
    sae = load_sae(folder)
    _module(format_name).save(sae, out)
    answer({"sae": str(out), "format": format_name, "config": sae.config.to_json()})
    say(f"{sae.name}, written for {format_name}: {out}")


@command.command("import")
@_folder_argument
@_format_option
@click.option(
    "--dataset",
    "data",
    type=click.Path(path_type=Path),
    metavar="DATA.h5",
    help="What it was trained on; without it the SAE is refused wherever that matters.",
)
@_out_option
@force_option
@json_option
@debug_option
def import_(folder: Path, format_name: str, data: Path | None, out: Path, force: bool) -> None:
    """Read a folder of another library and write it as one of ours."""
    from analysis.sae.formats import saelens
    from harness.datasets.reader import open_dataset
    from harness.files import check_output

    check_output(out, force=force)
    source = None
    if data is not None:
        with open_dataset(data) as dataset:
            source = dataset.source
    sae = _module(format_name).load(folder, source)
    saelens.save(sae, out, {"imported_from": format_name})
    answer({"sae": str(out), "format": format_name, "config": sae.config.to_json()})
    say(f"{sae.name}, read from {format_name}: {out}")


def _module(format_name: str):  # type: ignore[no-untyped-def]
    from analysis.sae.formats import FORMATS

    return pkgutil.resolve_name(FORMATS[format_name])
