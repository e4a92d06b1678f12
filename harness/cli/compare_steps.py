"""``harness compare-steps``: the same prompt and noise with several step counts and schedulers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    settings_option,
)
from harness.cli.values import check_prompts, integers, words


@click.command("compare-steps")
@click.option("--prompt", "prompts", callback=check_prompts, multiple=True, required=True, help="What to generate.")
@click.option("--steps", callback=integers, default="8,16,32", show_default=True, metavar="N,...", help="Step counts.")
@click.option("--schedulers", callback=words, metavar="A,...", help="Classes of diffusers.")
@click.option("--generator", default="mini", show_default=True, metavar="NAME|DIR|ID", help="See 'harness list'.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N", help="Of the noise."
)
@guidance_scale_option
@duration_option
@settings_option
@device_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the comparison.")
@fitted_options
@force_option
@json_option
@debug_option
def command(
    prompts: tuple[str, ...],
    steps: tuple[int, ...],
    schedulers: tuple[str, ...],
    generator: str,
    seed: int,
    guidance_scale: float | None,
    duration: float | None,
    settings: dict[str, Any],
    device: str,
    out: Path,
    sae: Path | None,
    probes: Path | None,
    force: bool,
) -> None:
    """Compare step counts and schedulers on one request.

    All start from the same noise. The table and the page have one axis, t and log-SNR, and say how far the clean
    estimates, and the properties that can be decoded from them, depend on the number of steps and on the scheduler.
    """
    if len(prompts) != 1:
        raise click.UsageError("give one --prompt; what is compared is how it is sampled")
    from generators.base import GenerationRequest
    from harness.compare import TABLE, arms_of, compare
    from harness.decoding.artifacts import latent_source, read_artifacts, shipped_artifacts
    from harness.models import load_generator
    from harness.report.compare_page import build_compare_report

    arms = arms_of(steps, schedulers)
    request = GenerationRequest(
        prompts[0], duration_s=duration, guidance_scale=guidance_scale, seed=seed, options=settings
    )
    model = load_generator(generator, device=device)
    source = latent_source(model.codec)
    artifacts = read_artifacts(source, probes, sae) if probes else shipped_artifacts(source)
    with progress_bar() as progress:
        found = compare(model, request, arms, out, artifacts=artifacts, force=force, progress=progress)
    report = build_compare_report(found, out)
    answer({**found.to_json(), "table": str(out / TABLE), "report": str(report.path)})
    rows = [[name, f"{found.spread(name).mean():.3f}", f"{found.spread(name).max():.3f}"] for name in found.measures]
    table(["differs at the same t", "mean", "max"], rows)
    say(f"  {found.finding}")
    say(str(report.path))
