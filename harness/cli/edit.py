"""``harness edit``: a recording with a property changed, through a codec's latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.codec import codec_options
from harness.cli.console import answer, say, table
from harness.cli.options import debug_option, fitted_options, force_option, json_option
from harness.cli.values import FiniteRange

if TYPE_CHECKING:
    from harness.editing.edit import Edited
    from harness.interventions.set_property import SetProperty

PATH = click.Path(path_type=Path)
MOSTLY = 0.5
"""A change that fewer frames than this show has failed."""


@click.command("edit")
@click.argument("recording", metavar="AUDIO", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@codec_options
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="PROPERTY=CHANGE",
    help="Such as pitch=+3st, loudness=-6dB or pitch:=69st.",
)
@fitted_options
@click.option(
    "--strength",
    type=FiniteRange(min=0),
    metavar="X",
    help="Of the edit.  [default: what an excerpt of the decoded sound needs]",
)
@click.option("--requantise", is_flag=True, help="Send the edited latents through the codec's codebooks.")
@click.option(
    "--out", "-o", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="WAV", help="File to write."
)
@force_option
@json_option
@debug_option
def command(
    recording: Path,
    codec: dict[str, Any],
    changes: tuple[str, ...],
    sae: Path | None,
    probes: Path | None,
    strength: float | None,
    requantise: bool,
    out: Path,
    force: bool,
) -> None:
    """Change a property of a recording, through any codec.

    It is encoded, its latents are edited through an SAE and probes, and decoded. What was asked for is measured on the
    decoded sound, beside the recording decoded without an edit. The file has the codec's sample rate and channels.
    """
    from harness.files import check_output_file

    if out.suffix.lower() != ".wav":
        raise click.UsageError(f"--out {out}: a WAV file is written; give a name that ends in .wav")
    check_output_file(out, force=force)
    wanted = _parse(changes)

    from analysis.source import Source
    from harness.audio import write_wav
    from harness.codecs import CodecSpec
    from harness.datasets.audio import read_whole
    from harness.decoding.artifacts import read_artifacts, require_shipped
    from harness.editing.edit import edit_recording

    loaded = CodecSpec(**codec).load()
    source = Source(loaded.id, loaded.weights_sha256, "latents", loaded.latent_channels)
    artifacts = require_shipped(source) if probes is None else read_artifacts(source, probes, sae)
    audio, sample_rate_hz = read_whole(recording)
    result = edit_recording(audio, sample_rate_hz, loaded, wanted, artifacts, strength=strength, requantise=requantise)
    gain_db = write_wav(out, result.audio, result.sample_rate_hz)
    answer(
        {
            "audio": str(out),
            "codec": loaded.id,
            "sample_rate_hz": result.sample_rate_hz,
            "gain_db": gain_db,
            "requantised": result.requantised,
            "strengths": dict(result.strengths),
            "reached": {name: _number(value) for name, value in result.reached.items()},
            "moved": {name: [_number(value) for value in pair] for name, pair in result.moved.items()},
        }
    )
    _show(result, out)


def _parse(changes: tuple[str, ...]) -> list[SetProperty]:
    """Read every ``--set``."""
    from harness.interventions.grammar import parse_steer
    from harness.interventions.set_property import SetProperty

    wanted = []
    for text in changes:
        item = parse_steer(text)
        if not isinstance(item, SetProperty):
            raise click.UsageError(f"--set {text} sets no property; give PROPERTY=+CHANGE or PROPERTY:=VALUE")
        wanted.append(item)
    return wanted


def _number(value: float) -> float | None:
    return None if value != value else value


def _show(result: Edited, out: Path) -> None:
    rows = [
        (
            name,
            f"{before:.2f}",
            f"{after:.2f}",
            f"{after - before:+.2f}",
            f"{result.reached[name]:.0%} of frames" if name in result.reached else "",
        )
        for name, (before, after) in result.moved.items()
    ]
    table(("median", "before", "after", "change", "on target"), rows)
    for name, strength in result.strengths.items():
        say(f"  {name}: edited at strength {strength:g}")
    for name, share in result.reached.items():
        if not share >= MOSTLY:
            say(f"  {name}: not reached in most frames; this codec's artifacts do not move such a sound there")
    say(f"{out}")
