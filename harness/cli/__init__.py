"""The command line. Each command is one file, loaded when it is needed; nothing heavy is imported before it runs."""

from __future__ import annotations

import click

from harness import __version__
from harness.cli.group import HarnessGroup
from harness.cli.options import debug_option

SECTIONS = {
    "Make and look": {
        "generate": "harness.cli.generate:command",
        "inspect": "harness.cli.inspect:command",
        "replay": "harness.cli.replay:command",
        "decode": "harness.cli.decode:command",
        "report": "harness.cli.report:command",
    },
    "Change": {
        "steer": "harness.cli.steer:command",
        "timing": "harness.cli.timing:command",
        "edit": "harness.cli.edit:command",
    },
    "Learn from data": {
        "dataset": "harness.cli.dataset:command",
        "train-sae": "harness.cli.train_sae:command",
        "train-probes": "harness.cli.train_probes:command",
        "sae": "harness.cli.sae:command",
    },
    "Compare": {
        "compare-steps": "harness.cli.compare_steps:command",
        "reproduce": "harness.cli.reproduce:command",
    },
    "What there is": {
        "models": "harness.cli.models:command",
        "lyrics": "harness.cli.lyrics:command",
        "list": "harness.cli.list:command",
        "doctor": "harness.cli.doctor:command",
    },
}
"""Commands, ``"name": "module:object"``, as ``--help`` shows them."""


@click.group(cls=HarnessGroup, sections=SECTIONS)
@click.version_option(__version__, prog_name="harness")
@debug_option
def cli() -> None:
    """Watch, decode and steer audio diffusion.

    Start with: harness generate --prompt "a gentle bright flute melody" --trace --report --out runs/demo
    """


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="harness")
