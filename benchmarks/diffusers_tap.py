"""What watching a pipeline of diffusers costs: a random Stable Audio of the published size, untraced and traced.

    python -m benchmarks.diffusers_tap [--device cuda] [--dtype bfloat16] [--steps 3] [--rounds 3]

The network has the shape of Stable Audio Open 1.0 (a billion weights, drawn at random); text encoder and autoencoder
are tiny, since they run outside the steps. ``watched`` shows every state, velocity and clean estimate to a hook that
keeps nothing; ``copied`` copies states and velocities to the CPU, as a trace does.

A real network's steps differ by more than watching costs, so ``tap`` measures that by itself: on latents of the same
size with a network that computes nothing, against the bare pipeline, and as a share of a step of the real network,
which is timed in the same run. On the CPU all shares are of processor time, on a GPU of the wall clock.
"""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models
from torch import Tensor

from benchmarks.timing import against, in_turns, report
from generators.base import GenerationRequest, HookPoint, StepHook
from generators.diffusers_audio.generator import DiffusersGenerator
from harness.provenance import hardware, versions

FRAMES, HOP = 1024, 8
"""Stable Audio Open's latent length; the hop is that of the tiny autoencoder."""
RATE_HZ = 800
IDLE_STEPS = 50
"""Of a run whose network computes nothing."""
BARE = "pipeline alone"


class IdleNetwork(diffusers.StableAudioDiTModel):  # type: ignore[misc]
    """Takes what the real network takes; the velocity is 0."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor]:
        """Compute nothing."""
        return (torch.zeros_like(hidden_states),)


class Watch:
    """Hook that is shown everything the sampler has and keeps nothing, or copies it to the CPU."""

    def __init__(self, *, copy: bool) -> None:
        self.copy = copy

    def wants(self, point: HookPoint) -> bool:
        """Want the sampler's own points; a trace does not ask for the clean estimate."""
        return point.name in (("x_t", "velocity") if self.copy else ("x_t", "velocity", "x1_hat"))

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Copy, or do nothing."""
        if self.copy:
            value.to("cpu", copy=True)


def subject(
    device: str, dtype: torch.dtype, layers: int, heads: int, network: Any = diffusers.StableAudioDiTModel
) -> DiffusersGenerator:
    """Build the pipeline; weights are drawn on the device."""
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "rain": 2}, unk_token="<pad>"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        with torch.device(device):
            transformer = network(
                sample_size=FRAMES,
                num_layers=layers,
                num_attention_heads=heads,
                num_key_value_attention_heads=heads // 2,
            )
        vae = diffusers.AutoencoderOobleck(
            encoder_hidden_size=128,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 1],
            decoder_channels=4,
            decoder_input_channels=64,
            sampling_rate=RATE_HZ,
        )
    pipeline = diffusers.StableAudioPipeline(
        vae=vae,
        text_encoder=transformers.T5EncoderModel(
            transformers.T5Config(vocab_size=3, d_model=768, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        ),
        projection_model=diffusers.StableAudioProjectionModel(768, 768, 0, 512),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="<pad>", eos_token="</s>", model_max_length=128
        ),
        transformer=transformer,
        scheduler=diffusers.EDMDPMSolverMultistepScheduler(
            sigma_min=0.3, sigma_max=500, sigma_data=1.0, prediction_type="v_prediction", sigma_schedule="exponential"
        ),
    )
    pipeline.to(device)
    return DiffusersGenerator(pipeline if dtype == torch.float32 else pipeline.to(dtype), "random")


def generate(generator: DiffusersGenerator, request: GenerationRequest, hooks: list[StepHook]) -> None:
    """Generate, and wait for the device."""
    generator.generate(request, hooks)
    if generator.denoiser.device.type == "cuda":
        torch.cuda.synchronize()


def watching(generator: DiffusersGenerator, request: GenerationRequest) -> dict[str, Callable[[], object]]:
    """Ways to generate: with nobody looking, and as the two kinds of ``Watch`` look."""
    hooks: dict[str, list[StepHook]] = {"untraced": [], "watched": [Watch(copy=False)], "copied": [Watch(copy=True)]}
    return {name: functools.partial(generate, generator, request, given) for name, given in hooks.items()}


def tap_ms(device: str, dtype: torch.dtype, rounds: int, clock: str) -> dict[str, Any]:
    """Milliseconds a step that our code takes beyond the bare pipeline, at the real size of the latents."""
    generator = subject(device, dtype, layers=1, heads=2, network=IdleNetwork)
    request = generator.resolve(GenerationRequest("rain", num_inference_steps=IDLE_STEPS, guidance_scale=7.0))

    def bare() -> None:
        latents = generator.pipeline(
            prompt=request.prompt,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            audio_end_in_s=request.duration_s,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="latent",
        ).audios
        generator.codec.decode(latents.transpose(1, 2)).cpu()

    variants = watching(generator, request)
    times = against(in_turns({BARE: bare, **variants}, rounds), BARE)
    found = {}
    for name in variants:
        median, ends = (times[name][f"{clock}_extra_ms{suffix}"] for suffix in ("", "_95"))
        found[name] = {
            "ms_a_step": round(median / IDLE_STEPS, 4),
            "ms_a_step_95": ends and [round(end / IDLE_STEPS, 4) for end in ends],
        }
    return found


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--layers", type=int, default=24, help="blocks of the network; 24 is the published size")
    parser.add_argument("--heads", type=int, default=24, help="an even number, its width is 64 a head")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-rounds", type=int, default=31, help="of the network that computes nothing")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/diffusers_tap.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = subject(arguments.device, getattr(torch, arguments.dtype), arguments.layers, arguments.heads)
    request = GenerationRequest("rain", num_inference_steps=arguments.steps, guidance_scale=7.0)
    clock = "cpu" if arguments.device == "cpu" else "wall"
    table: dict[str, Any] = {**against(in_turns(watching(generator, request), arguments.rounds), "untraced")}
    step_ms = 1e3 * table["untraced"][f"{clock}_s"] / arguments.steps
    tap = tap_ms(arguments.device, generator.denoiser.dtype, arguments.idle_rounds, clock)
    for row in tap.values():
        row["share_of_a_step"] = round(row["ms_a_step"] / step_ms, 6)
    table |= {
        "step_ms": round(step_ms, 1),
        "tap": tap,
        "clock": clock,
        "steps": arguments.steps,
        "weights": sum(parameter.numel() for parameter in generator.denoiser.parameters()),
        "settings": {key: str(value) for key, value in vars(arguments).items()},
        "hardware": hardware(arguments.device),
        "versions": versions(),
    }
    report(table, arguments.out)


if __name__ == "__main__":
    main()
