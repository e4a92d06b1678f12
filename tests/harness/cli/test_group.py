"""Every exception becomes one line and the exit code that fits."""

from __future__ import annotations

import click
import pytest

from generators.base import CheckpointError, RequestError
from harness.cli.group import explain
from harness.errors import ExistsError, HarnessError, InputError, StorageError, TraceError


class PluginError(RequestError):
    """As a third party's generator may define it."""


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (HarnessError("x"), 1),
        (InputError("x"), 2),
        (ExistsError("x"), 1),
        (TraceError("x"), 1),
        (StorageError("x"), 1),
        (RequestError("x"), 2),
        (PluginError("x"), 2),
        (CheckpointError("x"), 1),
        (KeyboardInterrupt("x"), 130),
    ],
)
def test_expected(error, exit_code):
    assert explain(error) == ("x", exit_code)


def test_requests_are_explained_in_the_flags_of_the_command():
    command = click.Command("x", params=[click.Option(["--steps"]), click.Option(["--guidance-scale", "-g"])])
    error = RequestError("`num_inference_steps` is 1, `guidance_scale` 2, `eta` 3 and `a b` nothing")
    message = "--steps is 1, --guidance-scale 2, 'eta' 3 and `a b` nothing"
    assert explain(error, command) == (message, 2)
    assert explain(RequestError("`seed` is -1")) == ("'seed' is -1", 2)


def test_unexpected_points_at_debug():
    message, exit_code = explain(ValueError("bad number"))
    assert message == "ValueError: bad number (run again with --debug for the details)"
    assert exit_code == 1


def test_usage_points_at_help():
    message, exit_code = explain(click.UsageError("no prompt"))
    assert message == "no prompt (see 'harness --help')"
    assert exit_code == 2


def test_an_unknown_command_names_the_nearest(invoke):
    result = invoke("compare-step")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: unknown command 'compare-step'; did you mean 'compare-steps'? Known: ")


def test_a_wrong_option_before_the_command_is_one_line(invoke):
    result = invoke("--prompt", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: No such option '--prompt'. (see 'harness --help')\n"


@pytest.mark.parametrize("args", [(), ("models",), ("dataset",), ("sae",), ("reproduce",)], ids=str)
def test_a_group_alone_shows_its_help(invoke, args):
    result = invoke(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: harness")
    assert len(result.stderr.splitlines()) > 5


@pytest.mark.parametrize("args", [(), ("models",), ("dataset",), ("sae",), ("reproduce",)], ids=str)
def test_summaries_fit_a_line(invoke, args):
    shown = invoke(*args, "--help").stdout
    assert "..." not in shown.replace("[ARGS]...", "")
    commands = [line for line in shown.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    assert len(commands) > 3
    assert max(map(len, commands)) <= 80
