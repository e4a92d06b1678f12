"""What watching a pipeline of diffusers costs: a random Stable Audio of the published size, untraced and traced.

    python -m benchmarks.diffusers_tap [--device cuda] [--dtype bfloat16] [--steps 3] [--rounds 3]

The network has the shape of Stable Audio Open 1.0 (a billion weights, drawn at random); text encoder and autoencoder
are tiny, since they run outside the steps. ``watched`` shows every state, velocity and clean estimate to a hook that
keeps nothing; ``copied`` copies states and velocities to the CPU, as a trace does. With few ``--layers`` and
``--heads`` what the tap costs stands out, to be set against the time of a step of the whole network.
"""

from __future__ import annotations

import argparse
import functools
import warnings
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


def subject(device: str, dtype: torch.dtype, layers: int, heads: int) -> DiffusersGenerator:
    """Build the pipeline; weights are drawn on the device."""
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "rain": 2}, unk_token="<pad>"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        with torch.device(device):
            transformer = diffusers.StableAudioDiTModel(
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


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--layers", type=int, default=24, help="blocks of the network; 24 is the published size")
    parser.add_argument("--heads", type=int, default=24, help="an even number, its width is 64 a head")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/diffusers_tap.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = subject(arguments.device, getattr(torch, arguments.dtype), arguments.layers, arguments.heads)
    request = GenerationRequest("rain", num_inference_steps=arguments.steps, guidance_scale=7.0)
    hooks: dict[str, list[StepHook]] = {"untraced": [], "watched": [Watch(copy=False)], "copied": [Watch(copy=True)]}
    variants = {name: functools.partial(generate, generator, request, given) for name, given in hooks.items()}
    table: dict[str, Any] = {
        **against(in_turns(variants, arguments.rounds), "untraced"),
        "steps": arguments.steps,
        "weights": sum(parameter.numel() for parameter in generator.denoiser.parameters()),
        "settings": {key: str(value) for key, value in vars(arguments).items()},
        "hardware": hardware(arguments.device),
        "versions": versions(),
    }
    report(table, arguments.out)


if __name__ == "__main__":
    main()
