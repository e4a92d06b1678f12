"""``harness timing``: in which part of the trajectory a property can still be changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from harness.cli.console import answer, progress_bar, say, table
from harness.cli.options import (
    debug_option,
    device_option,
    duration_option,
    fitted_options,
    force_option,
    guidance_scale_option,
    json_option,
)
from harness.cli.steering import Steering
from harness.cli.values import check_prompts, numbers, read_prompts, words
from harness.words import counted

if TYPE_CHECKING:
    from harness.steering.timing import TimingStudy

PATH = click.Path(path_type=Path)


@click.command("timing")
@click.option(
    "--property", "names", required=True, callback=words, metavar="P,...", help="Steered: pitch, loudness or timbre."
)
@click.option("--prompt", "prompts", callback=check_prompts, multiple=True, help="May be given several times.")
@click.option("--prompts", "prompts_file", type=click.File("rb"), help="UTF-8 file, one prompt a line; - is stdin.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=8, show_default=True, metavar="N", help="Seeds of every prompt."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1001), default=0, show_default=True, metavar="N", help="The first of them."
)
@click.option("--windows", type=click.IntRange(2, 100), default=8, show_default=True, metavar="N", help="Windows of t.")
@click.option(
    "--strengths",
    callback=numbers(-100, 100),
    default="1",
    show_default=True,
    metavar="X,...",
    help="Multiples of +3 semitones, -6 dB, +0.5 octaves.",
)
@click.option("--generator", default="mini", show_default=True, metavar="NAME|DIR", help="See 'harness list'.")
@click.option("--steps", type=click.IntRange(2, 1000), metavar="N", help="Number of updates.")
@guidance_scale_option
@duration_option
@fitted_options
@device_option
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder of the study.")
@force_option
@json_option
@debug_option
def command(
    names: tuple[str, ...],
    prompts: tuple[str, ...],
    prompts_file: BinaryIO | None,
    seeds: int,
    seed: int,
    windows: int,
    strengths: tuple[float, ...],
    generator: str,
    steps: int | None,
    guidance_scale: float | None,
    duration: float | None,
    sae: Path | None,
    probes: Path | None,
    device: str,
    out: Path,
    force: bool,
) -> None:
    """Map in which windows of t a property can be changed.

    The same change is asked for in each window. Every prompt runs with every seed, once unsteered and once for each
    window and strength. The table and the page show the effect on the property and on the others, and until when half
    of it is left, beside when the property can be read off the steps. An interrupted study is continued by the same
    command.
    """
    texts = [*prompts, *(read_prompts(prompts_file) if prompts_file else [])]
    if not texts:
        raise click.UsageError("no prompt was given; give --prompt or --prompts")
    from generators.base import GenerationRequest
    from harness.models import load_generator
    from harness.report.timing_page import build_timing_report
    from harness.steering.timing import run_timing
    from harness.steering.timing_config import TimingConfig

    model = load_generator(generator, device=device)
    asked = GenerationRequest("", duration_s=duration, num_inference_steps=steps, guidance_scale=guidance_scale)
    requests = tuple(
        model.resolve(dataclasses.replace(asked, prompt=text, seed=seed + more))
        for text in texts
        for more in range(seeds)
    )
    config = TimingConfig(names, windows, strengths, requests)
    artifacts = Steering(sae=sae, probes=probes).artifacts(model)
    with progress_bar() as progress:
        try:
            study = run_timing(
                model,
                config,
                out,
                artifacts=artifacts,
                force=force,
                progress=progress,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; the same command goes on from what is finished") from None
    report = build_timing_report(study)
    answer({**study.to_json(), "table": str(study.table), "report": str(report.path)})
    _show(study)
    say(str(report.path))


def _show(study: TimingStudy) -> None:
    """Print a table a property, and the findings."""
    from harness.steering.timing_words import finding

    for name, found in study.maps.items():
        say(f"{name}: effect as a share of the wanted change, {counted(found.runs, 'run')}")
        rows = [
            [f"{start:.3g}-{stop:.3g}", *(f"{found.effect[w, k]:.0%}" for k in range(len(found.strengths)))]
            for w, (start, stop) in enumerate(found.windows)
        ]
        table(["t", *(f"strength {strength:g}" for strength in found.strengths)], rows)
        say(f"  {finding(found, study.curves)}")
    say(str(study.table))
