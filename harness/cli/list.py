"""``harness list``: the names a user can give."""

from __future__ import annotations

import click

from harness.cli.console import answer, say, wants_json
from harness.cli.options import debug_option, json_option


@click.command("list")
@json_option
@debug_option
def command() -> None:
    """List generators, codecs, SAE architectures, properties."""
    from analysis.properties import PROPERTIES
    from analysis.sae import ARCHITECTURES
    from generators import GENERATORS
    from generators.codecs import CODECS
    from harness import registry

    groups = {"generators": GENERATORS, "codecs": CODECS, "architectures": ARCHITECTURES, "properties": PROPERTIES}
    document = {
        group: {
            name: {"class": target, "built_in": name in builtin}
            for name, target in sorted(registry.table(group, builtin).items())
        }
        for group, builtin in groups.items()
    }
    answer(document)
    if wants_json():
        return
    for group, entries in document.items():
        say(group)
        for name, entry in entries.items():
            say(f"  {name:20} {entry['class']}{'' if entry['built_in'] else '  (installed)'}")
