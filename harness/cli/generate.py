"""``harness generate``: prompts in, run folders out."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from harness import runs
from harness.cli.console import answer, progress_bar, quoted, say
from harness.cli.options import (
    debug_option,
    device_option,
    duration_option,
    force_option,
    guidance_scale_option,
    json_option,
    settings_option,
)
from harness.cli.song import Song, song_options
from harness.cli.steering import Steering, steering_options
from harness.cli.values import check_prompts, parse_settings, read_prompts
from harness.files import check_output

if TYPE_CHECKING:
    from harness.pipeline import RunResult


@click.command("generate")
@click.option(
    "--prompt", "prompts", callback=check_prompts, multiple=True, help="What to generate; may be given several times."
)
@click.option("--negative-prompt", metavar="TEXT", help="What not to generate, for generators that take it.")
@click.option("--prompts", "prompts_file", type=click.File("rb"), help="UTF-8 file, one prompt a line; - is stdin.")
@click.option(
    "--generator",
    default="mini",
    show_default=True,
    metavar="NAME|DIR|ID",
    help="See 'harness list'; ID is of the hub, see 'harness models list'.",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to load the named generator from.",
)
@click.option(
    "--load",
    "load_settings",
    callback=parse_settings,
    multiple=True,
    metavar="KEY=VALUE",
    help="What the generator takes when it is loaded, such as attention=causal.",
)
@click.option("--steps", type=click.IntRange(2, 1000), metavar="N", help="Number of updates, 2 to 1000.")
@guidance_scale_option
@duration_option
@settings_option
@song_options
@steering_options
@click.option("--trace/--no-trace", default=None, help="Record every step; on with --report and --hidden.")
@click.option("--report", is_flag=True, help="Build the HTML report from the trace.")
@click.option("--hidden", multiple=True, metavar="PATTERN", help="Also record modules whose path matches.")
@click.option("--hidden-every", type=click.IntRange(1), default=1, metavar="N", help="Record them every N steps.")
@click.option(
    "--hidden-stride", type=click.IntRange(1), default=1, metavar="N", help="Record every N-th frame of them."
)
@click.option(
    "--hidden-dtype", type=click.Choice(["float16", "float32"]), default="float16", help="Type of the stored numbers."
)
@click.option("--yes", is_flag=True, help="Write the trace however large it is.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Run folder.  [default: runs/DATE-TIME]")
@device_option
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the weights.",
)
@click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a model of the hub.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Songs at once.")
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@force_option
@json_option
@debug_option
def command(
    prompts: tuple[str, ...],
    negative_prompt: str | None,
    prompts_file: BinaryIO | None,
    generator: str,
    weights: Path | None,
    load_settings: dict[str, Any],
    steps: int | None,
    guidance_scale: float | None,
    duration: float | None,
    settings: dict[str, Any],
    song: Song,
    steering: Steering,
    trace: bool | None,
    report: bool,
    hidden: tuple[str, ...],
    hidden_every: int,
    hidden_stride: int,
    hidden_dtype: str,
    yes: bool,
    out: Path | None,
    device: str,
    dtype: str,
    trust_remote_code: bool,
    batch_size: int,
    open_report: bool,
    force: bool,
) -> None:
    """Generate audio, on request with a trace and a report.

    A trace holds every denoising step. One song goes to the run folder itself, several (of several prompts, or takes of
    one) to 000, 001, ... inside it. Every prompt starts from the same seed.
    """
    texts = [*prompts, *(read_prompts(prompts_file) if prompts_file else [])]
    if not texts:
        raise click.UsageError("no prompt was given; give --prompt or --prompts")
    if trace is False and (report or hidden):
        raise click.UsageError("--report and --hidden need the trace; leave --no-trace out")
    if not hidden and (hidden_every, hidden_stride, hidden_dtype) != (1, 1, "float16"):
        raise click.UsageError("--hidden-every, --hidden-stride and --hidden-dtype say how; give --hidden PATTERN too")
    if open_report and not report:
        raise click.UsageError("--open needs --report")
    chosen = steering.parsed()
    out = out or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    check_output(out, force=force)

    from generators.base import GenerationRequest
    from harness.forecast import announcements
    from harness.models import REMOTE_CODE, load_generator
    from harness.pipeline import run

    requests = [
        GenerationRequest(
            prompt=text,
            negative_prompt=negative_prompt,
            lyrics=song.lyrics,
            duration_s=duration,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            seed=seed,
            options={**settings, **song.options},
        )
        for text in texts
        for seed in song.seeds
    ]
    if trust_remote_code:
        load_settings[REMOTE_CODE] = True
    model = load_generator(generator, weights=weights, device=device, dtype=dtype, settings=load_settings)
    artifacts = steering.artifacts(model) if steering.wanted else None
    chosen = steering.completed(chosen, model, artifacts)
    for sentence in announcements(model, requests):
        say(sentence)
    with progress_bar() as progress:
        try:
            results = run(
                model,
                requests,
                out,
                trace=bool(trace or report or hidden),
                report=report,
                hidden=hidden,
                hidden_every=hidden_every,
                hidden_stride=hidden_stride,
                hidden_dtype=hidden_dtype,
                yes=yes,
                interventions=chosen,
                artifacts=artifacts,
                force=force,
                batch_size=batch_size,
                command=shlex.join(["harness", *sys.argv[1:]]),
                progress=progress,
            )
        except KeyboardInterrupt:
            kept = any(
                (folder / name).exists() for folder in runs.run_folders(out, len(requests)) for name in runs.FILES
            )
            found = f"what was finished is in {out}" if kept else "nothing was written"
            raise KeyboardInterrupt(f"interrupted; {found}") from None
    answer({"runs": [_document(result) for result in results]})
    for result in results:
        _show(result)
    if open_report:
        click.launch(str(results[0].report))


def _document(result: RunResult) -> dict[str, Any]:
    """One entry of ``--json``."""
    return {
        "prompt": result.request.prompt,
        "seed": result.request.seed,
        "generator": result.generator,
        "dir": str(result.dir),
        "audio": str(result.audio),
        "sample_rate_hz": result.sample_rate_hz,
        "trace": str(result.trace) if result.trace else None,
        "report": str(result.report) if result.report else None,
        "seconds": round(result.seconds, 3),
    }


def _show(result: RunResult) -> None:
    """Tell a person what came out, where it is, and last what was found."""
    say(f"{quoted(result.request.prompt)}, seed {result.request.seed}, {result.generator}")
    say(f"  {result.duration_s:.2f} s of audio in {result.seconds:.2f} s")
    for note in result.notes:
        say(f"  note: {note}")
    if result.finding:
        say(f"  {result.finding}")
    for name in ("audio", "trace", "report"):
        path = getattr(result, name)
        if path:
            say(f"  {name:7} {path}")
