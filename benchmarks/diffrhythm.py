"""DiffRhythm with random weights: seconds and memory per song, and what each way of running it is worth.

    python -m benchmarks.diffrhythm [--size small|published] [--frames 2048 6136] [--steps 31] [--rounds 3]

On a CUDA device it runs at the published size in float16, elsewhere a small network in float32; ``size`` in the result
says which. "ideal" is the time that the network's floating-point operations would take at the rate of matrix products,
which is measured in the same run: by the wall clock on a GPU, in processor time on the CPU, where a busy machine slows
both. Memory is the device's peak, weights included; on the CPU it is not measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.timing import against, in_turns, report
from generators.base import GenerationRequest, HookPoint
from generators.codecs.diffrhythm_vae import DiffRhythmVae
from generators.diffrhythm import DiffRhythmGenerator, sample
from generators.noise import starting_noise
from harness.forecast import matmul_rate
from harness.provenance import hardware, versions
from harness.tracing import Tracer

SMALL: dict[str, Any] = {
    "network": {"dim": 256, "depth": 4, "ff_mult": 4, "text_dim": 64, "cond_dim": 64, "conv_layers": 2, "heads": 8},
    "codec": {"encoder_hidden_size": 8, "decoder_channels": 8, "decoder_input_channels": 8},
    "frames": [256],
    "steps": 4,
}
PUBLISHED: dict[str, Any] = {"network": {}, "codec": {}, "frames": [2048, 6136], "steps": 31}
SIZES = {"small": SMALL, "published": PUBLISHED}
FULL_FRAMES = 6144
SEQUENTIAL = "branches in turn"
KERNELS = {"flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH}


class Watcher:
    """A hook that makes the network compute at every step what it could keep."""

    def wants(self, point: HookPoint) -> bool:
        """Want a module whose output is the same at every step."""
        return point.name == "text_embed"

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Leave it as it is."""


def build(size: Mapping[str, Any], frames: int, device: str, dtype: torch.dtype) -> DiffRhythmGenerator:
    """Make a generator of random weights whose songs have up to ``frames`` frames."""
    full = size is PUBLISHED and frames > 2048
    longest = (FULL_FRAMES if full else 2048) if size is PUBLISHED else frames
    config = {**size["network"], "max_frames": longest, "duration_embedding": full}
    codec = DiffRhythmVae(AutoencoderOobleck(**size["codec"]).to(device))
    generator = DiffRhythmGenerator.random(config, codec, seed=0)
    generator.denoiser.to(device, dtype)
    return generator


def ways(generator: DiffRhythmGenerator, frames: int, steps: int) -> dict[str, Callable[[], object]]:
    """Ways to sample one song, each from the same noise; compiling comes last since it stays."""
    config, device = generator.denoiser.config, generator.denoiser.device
    style = torch.randn(1, config["cond_dim"], generator=torch.Generator().manual_seed(0))
    arguments: dict[str, Any] = {
        "noise": starting_noise([0], frames, config["mel_dim"]).to(device),
        "cond": torch.zeros(1, frames, config["mel_dim"]),
        "text": torch.zeros(1, frames, dtype=torch.int64),
        "style": style,
        "negative_style": -style,
        "start_time": torch.zeros(1),
        "duration": torch.tensor([frames / config["max_frames"]]),
        "num_time_points": steps + 1,
    }

    def run(**changes: Any) -> None:
        sample(generator.denoiser, **arguments, **changes)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def with_kernel(kernel: SDPBackend) -> None:
        with sdpa_kernel(kernel):
            run()

    found: dict[str, Callable[[], object]] = {
        SEQUENTIAL: run,
        "both branches in one batch": lambda: run(batched=True),
        "nothing kept between steps": lambda: run(hooks=(Watcher(),)),
    }
    return found | {f"attention: {name}": lambda kernel=kernel: with_kernel(kernel) for name, kernel in KERNELS.items()}


def working(variants: Mapping[str, Callable[[], object]]) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Separate the ways that run here from those that do not, with the reason."""
    good, bad = {}, {}
    for name, variant in variants.items():
        try:
            variant()
            good[name] = variant
        except RuntimeError as error:
            bad[name] = str(error).splitlines()[0]
    return good, bad


def compiled(generator: DiffRhythmGenerator, run: Callable[[], object], rounds: int) -> dict[str, Any]:
    """Time the compiled network."""
    generator.denoiser.compile()
    try:
        return against(in_turns({"compiled": run}, rounds), "compiled")["compiled"]
    except Exception as error:  # a compiler that is missing or fails can raise anything
        return {"failed": f"{type(error).__name__}: {str(error).splitlines()[0]}"}


def whole_songs(generator: DiffRhythmGenerator, request: GenerationRequest, rounds: int) -> dict[str, Any]:
    """Time noise to audio, with and without a trace, and take the peak of the device's memory."""
    with tempfile.TemporaryDirectory() as folder:

        def traced() -> None:
            with Tracer(generator, [request], [Path(folder) / "trace.h5"], force=True) as tracer:
                tracer.finish(generator.generate_batch([request], [tracer]))

        on_gpu = generator.denoiser.device.type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        generator.generate(request)
        peak_gb = torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None
        untraced = lambda: generator.generate(request)  # noqa: E731
        table: dict[str, Any] = {**against(in_turns({"untraced": untraced, "traced": traced}, rounds), "untraced")}
        table["peak_memory_gb"] = peak_gb and round(peak_gb, 2)
        table["trace_mb"] = round((Path(folder) / "trace.h5").stat().st_size / 1e6, 1)
    return table


def measure(arguments: argparse.Namespace, frames: int) -> dict[str, Any]:
    """Measure one length of song."""
    size, dtype = SIZES[arguments.size], torch.float16 if arguments.device == "cuda" else torch.float32
    steps = arguments.steps or size["steps"]
    generator = build(size, frames, arguments.device, dtype)
    seconds = frames / generator.codec.frame_rate_hz
    whole = float(round(seconds)) if size is PUBLISHED else seconds  # published models count whole seconds
    request = GenerationRequest("", duration_s=whole, num_inference_steps=steps)
    flops = generator.flops(request)
    variants, failed = working(ways(generator, frames, steps))
    width = generator.denoiser.config["dim"]
    on_gpu = arguments.device == "cuda"
    clock, column = (time.perf_counter, "wall_s") if on_gpu else (time.process_time, "cpu_s")
    rates = [matmul_rate(generator.denoiser.device, dtype, frames, width, clock)]
    sampling: dict[str, Any] = {**against(in_turns(variants, arguments.rounds), SEQUENTIAL)}
    rates.append(matmul_rate(generator.denoiser.device, dtype, frames, width, clock))
    sampling["compiled"] = compiled(generator, variants[SEQUENTIAL], arguments.rounds)
    ideal_s = flops / statistics.mean(rates)
    fastest = min(row[column] for row in sampling.values() if column in row)
    del generator, variants
    songs = whole_songs(build(size, frames, arguments.device, dtype), request, arguments.rounds)
    return {
        "frames": frames,
        "seconds_of_audio": round(seconds, 1),
        "steps": steps,
        "dtype": str(dtype).removeprefix("torch."),
        "tflop": round(flops / 1e12, 3),
        "matmul_tflops_before_and_after": [round(rate / 1e12, 3) for rate in rates],
        "ideal_s": round(ideal_s, 4),
        "ideal_is_of": column,
        "over_ideal": {
            SEQUENTIAL: round(sampling[SEQUENTIAL][column] / ideal_s, 2),
            "fastest": round(fastest / ideal_s, 2),
        },
        "sampling": sampling,
        "does_not_run_here": failed,
        "noise_to_audio": songs,
    }


def main() -> None:
    """Parse the command line and run."""
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="published" if gpu else "small")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if gpu else "cpu")
    parser.add_argument("--frames", type=int, nargs="+")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/diffrhythm.json"))
    arguments = parser.parse_args()
    lengths = arguments.frames or SIZES[arguments.size]["frames"]
    on_gpu = "yes" if arguments.device == "cuda" else "no: there was no GPU, so no goal is shown"
    result = {
        "size": arguments.size,
        "published_size_on_a_gpu": on_gpu if arguments.size == "published" else "no: a small network",
        "versions": versions(),
        "hardware": hardware(arguments.device),
        "load_average": os.getloadavg(),
        "lengths": [measure(arguments, frames) for frames in lengths],
    }
    report(result, arguments.out)


if __name__ == "__main__":
    main()
