"""``harness doctor``: checks of the installation."""

from __future__ import annotations

import click

from harness.cli.console import answer, say
from harness.cli.options import debug_option, json_option

MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}


@click.command("doctor")
@json_option
@debug_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check the installation.

    Exits with 1 when something essential is broken.
    """
    from harness.doctor import examine

    checks = examine()
    healthy = all(check.state != "failure" for check in checks)
    answer({"healthy": healthy, "checks": [vars(check) for check in checks]})
    for check in checks:
        say(f"{MARKS[check.state]}  {check.name:12} {check.found}")
        if check.advice:
            say(f"      {'':12} -> {check.advice}")
    ctx.exit(0 if healthy else 1)
