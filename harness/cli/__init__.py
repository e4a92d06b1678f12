"""The command line. Each command is one file, loaded when it is needed; nothing heavy is imported before it runs."""

from __future__ import annotations

import click

from harness import __version__
from harness.cli.group import HarnessGroup
from harness.cli.options import debug_option

COMMANDS = {
    "generate": "harness.cli.generate:command",
    "inspect": "harness.cli.inspect:command",
    "lyrics": "harness.cli.lyrics:command",
    "replay": "harness.cli.replay:command",
    "decode": "harness.cli.decode:command",
    "report": "harness.cli.report:command",
    "steer": "harness.cli.steer:command",
    "timing": "harness.cli.timing:command",
    "edit": "harness.cli.edit:command",
    "dataset": "harness.cli.dataset:command",
    "train-sae": "harness.cli.train_sae:command",
    "train-probes": "harness.cli.train_probes:command",
    "sae": "harness.cli.sae:command",
    "reproduce": "harness.cli.reproduce:command",
    "models": "harness.cli.models:command",
    "compare-steps": "harness.cli.compare_steps:command",
    "list": "harness.cli.list:command",
    "doctor": "harness.cli.doctor:command",
}
"""Commands, ``"name": "module:object"``, in the order ``--help`` shows them."""


@click.group(cls=HarnessGroup, commands_table=COMMANDS)
@click.version_option(__version__, prog_name="harness")
@debug_option
def cli() -> None:
    """Watch, decode and steer audio diffusion.

    Start with: harness generate --prompt "a gentle bright flute melody" --trace --report --out runs/demo
    """


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="harness")
