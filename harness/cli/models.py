"""``harness models``: files of published models."""

from __future__ import annotations

import sys
from typing import Any

import click

from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import debug_option, json_option


@click.group("models")
@debug_option
def command() -> None:
    """Find, fetch and explain published models."""


@command.command("list")
@json_option
@debug_option
def list_() -> None:
    """List published models, and pipelines of diffusers that run."""
    from generators.diffusers_audio.families import EVERYWHERE, FAMILIES, exposes
    from generators.published import PUBLISHED

    models = {name: _summary(name) for name in PUBLISHED}
    pipelines = {name: {"codec": family.codec, "exposes": list(exposes(family))} for name, family in FAMILIES.items()}
    answer({"models": models, "pipelines": pipelines, "other_pipelines": list(EVERYWHERE)})
    columns = ("model", "here", "size", "licence", "what")
    rows = [(name, m["state"], m["size"], m["licence"], m["what"]) for name, m in models.items()]
    table(columns, rows, left=("what",))
    say("")
    kinds = [(name, kind["codec"], ", ".join(kind["exposes"])) for name, kind in pipelines.items()]
    kinds.append(("any other with such a codec", "", ", ".join(EVERYWHERE)))
    table(("pipeline of diffusers (hub id or folder)", "codec", "shows"), kinds, left=("codec", "shows"))


@command.command("info")
@click.argument("name")
@json_option
@debug_option
def info(name: str) -> None:
    """Show one model: terms, files, what it is used with."""
    from generators.published import LICENCES, PUBLISHED, used_with
    from harness.hub import cache

    name = cache.find(name)
    entry = PUBLISHED[name]
    found = {pattern: [str(path) for path in paths] for pattern, paths in cache.files(name).items()}
    document = {
        "name": name,
        **_summary(name),
        "terms": LICENCES[entry.licence].terms,
        "open_source": LICENCES[entry.licence].open_source,
        "settings": dict(entry.settings),
        "used_with": list(used_with(name)[1:]),
        "files": found,
        "partial_bytes": cache.partial_bytes(name),
    }
    answer(document)
    say(f"{name}: {entry.what}")
    say(f"  licence    {document['licence']}: {document['terms']}")
    say(f"  size       {document['size']}, {document['state']}")
    if entry.generator:
        say(f"  use        harness generate --generator {name} --prompt ...")
    for key, value in entry.settings.items():
        say(f"  {key.replace('_', ' '):10} {value}")
    for other in document["used_with"]:
        say(f"  with       {other} ({cache.state(other)})")
    for pattern, paths in found.items():
        say(f"  file       {pattern}: {', '.join(paths) or 'not here'}")
    if document["partial_bytes"]:
        say(f"  begun      {cache.gigabytes(document['partial_bytes'])} of an interrupted download")


@command.command("fetch")
@click.argument("name")
@click.option("--alone", is_flag=True, help="Leave out the models it is used with.")
@click.option("--accept-licences", is_flag=True, help="Do not ask; for use without a terminal.")
@click.option("--offline", is_flag=True, help="Load nothing, only check that everything is here.")
@json_option
@debug_option
def fetch(name: str, alone: bool, accept_licences: bool, offline: bool) -> None:
    """Fetch a model, and those it is used with.

    They go into the hub's ordinary cache. Their licences are shown first. An interrupted download goes on where it
    stopped.
    """
    from generators.published import used_with
    from harness.hub import cache
    from harness.hub.fetch import fetch as fetch_model

    name = cache.find(name)
    names = (name,) if alone else used_with(name)
    absent = [one for one in names if cache.state(one) != "here"]
    if absent and not offline:
        _agree(absent, accept_licences)
    folders = {}
    with progress_bar(unit="B") as progress:
        for one in names:
            try:
                folders[one] = str(fetch_model(one, offline=offline, progress=progress))
            except KeyboardInterrupt:
                raise KeyboardInterrupt("interrupted; the same command goes on where it stopped") from None
    answer({"folders": folders})
    for one, folder in folders.items():
        say(f"{one}: {'fetched' if one in absent else 'was here already'}, {folder}")


@command.command("licences")
@json_option
@debug_option
def licences() -> None:
    """Show the licence of every published model."""
    from generators.published import LICENCES, PUBLISHED

    models = {name: entry.licence for name, entry in PUBLISHED.items()}
    answer({"licences": {key: vars(licence) for key, licence in LICENCES.items()}, "models": models})
    _show_licences(list(PUBLISHED))


def _summary(name: str) -> dict[str, Any]:
    from generators.published import LICENCES, PUBLISHED
    from harness.hub import cache

    entry = PUBLISHED[name]
    return {
        "what": entry.what,
        "generator": entry.generator,
        "licence": LICENCES[entry.licence].name,
        "size": cache.gigabytes(entry.size_bytes),
        "size_bytes": entry.size_bytes,
        "state": cache.state(name),
    }


def _show_licences(names: list[str]) -> None:
    """Say under which terms models are given out, one licence after the other."""
    from generators.published import LICENCES, PUBLISHED

    for key, licence in LICENCES.items():
        covered = [name for name in names if PUBLISHED[name].licence == key]
        if covered:
            say(f"{licence.name}{'' if licence.open_source else ' (NOT open source)'}: {licence.terms}")
            say(f"  {', '.join(covered)}")


def _agree(names: list[str], accepted: bool) -> None:
    """Show the licences of what is about to be loaded; ask where one of them is not open source."""
    from generators.published import LICENCES, PUBLISHED
    from harness.errors import HarnessError
    from harness.hub import cache

    _show_licences(names)
    size = cache.gigabytes(sum(PUBLISHED[one].size_bytes - cache.partial_bytes(one) for one in names))
    say(f"to load: about {size}")
    if accepted or all(LICENCES[PUBLISHED[one].licence].open_source for one in names):
        return
    if not sys.stdin.isatty():
        raise click.UsageError("these licences have to be accepted; read them, then give --accept-licences")
    if not click.confirm("Load them under these terms?", err=True):
        raise HarnessError("not accepted; nothing was loaded")
