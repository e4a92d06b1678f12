"""The shipped generator: text prompt -> notes and style -> latents -> sound, in about a second."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from generators.base import Branch, GenerationRequest, SamplingPlan
from generators.diffrhythm.sampling import network_velocity
from generators.diffrhythm.transformer import DiffRhythmTransformer
from generators.flow import FlowGenerator
from generators.folder import read_own_config, write_config
from generators.hashing import tensors_sha256
from generators.mini.codec import LATENT_CHANNELS, MiniCodec
from generators.mini.codec import WEIGHTS as CODEC_WEIGHTS
from generators.mini.prompt import read
from generators.mini.score import NUM_TOKENS, note_tokens
from generators.mini.text_encoder import TextEncoder, style_tokens
from generators.mini.weights import load_strictly, save_half
from generators.requests import RequestRules
from generators.sampling import GuidanceFn, VelocityFn
from generators.tap import DenoiserTap

MAX_FRAMES = 172
"""Length of the longest clips in training, 8 s."""
WIDTH = 192
WEIGHTS = Path(__file__).parent / "checkpoint" / "flow.safetensors"


class MiniNetwork(nn.Module):
    """DiffRhythm's transformer at small size, modulated by time and style, with the text encoder that feeds it."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = TextEncoder(WIDTH)
        self.transformer = DiffRhythmTransformer(
            dim=WIDTH,
            depth=6,
            heads=6,
            text_dim=WIDTH,
            cond_dim=WIDTH,
            conv_layers=2,
            mel_dim=LATENT_CHANNELS,
            text_num_embeds=NUM_TOKENS - 1,
            max_frames=MAX_FRAMES,
            modulation=True,
        )

    def inputs(self, note_tokens: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Make what the transformer takes out of notes int64 ``[B, T]`` and style tokens int64 ``[B, 3]``."""
        batch, frames = note_tokens.shape
        return {
            "cond": torch.zeros(batch, frames, LATENT_CHANNELS, device=note_tokens.device),
            "text": note_tokens,
            "style": self.text_encoder(styles),
            "start_time": torch.zeros(batch, device=note_tokens.device),
        }


def rescaled_guidance(scale: float) -> GuidanceFn:
    """Classifier-free guidance whose clean estimate keeps the conditional one's deviation.

    Plain guidance makes the sound louder. The deviation of the guided clean estimate over frames and channels is set
    back to that of the conditional one; Lin et al. (arXiv 2305.08891, section 3.4) do so for images.
    """

    def guide(x: Tensor, t: float, cond: Tensor, uncond: Tensor) -> Tensor:
        estimate = x + (1 - t) * cond
        guided = x + (1 - t) * (cond + scale * (cond - uncond))
        mean = guided.mean((1, 2), keepdim=True)
        ratio = estimate.std((1, 2), keepdim=True) / guided.std((1, 2), keepdim=True)
        return (mean + (guided - mean) * ratio - x) / (1 - t)

    return guide


class MiniGenerator(FlowGenerator):
    """Text to short melodies, 5 s by default; see docs/mini.md for what it was taught and how well it does.

    Parameters
    ----------
    network, codec
        The trained parts.
    """

    id = "mini"
    codec: MiniCodec
    denoiser: DiffRhythmTransformer
    rules = RequestRules(duration_s=5.0, num_inference_steps=32, guidance_scale=1.5, max_duration_s=8.0)
    guidance_rule = "cond + guidance_scale * (cond - uncond), the clean estimate rescaled to cond's deviation"

    def __init__(
        self, network: MiniNetwork, codec: MiniCodec, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self.network = network.to(device, dtype).eval().requires_grad_(False)
        self.codec = codec
        self.denoiser = network.transformer

    @classmethod
    def from_pretrained(
        cls, path: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a folder written by ``save_pretrained``, or the shipped weights."""
        folder = WEIGHTS.parent if path is None else Path(path)
        if path is not None:
            read_own_config(folder, cls.id)
        network = MiniNetwork()
        load_strictly(network, folder / WEIGHTS.name)
        generator = cls(
            network, MiniCodec.from_pretrained(folder / CODEC_WEIGHTS.name, device=device), device=device, dtype=dtype
        )
        generator.id = cls.id if path is None else str(path)
        return generator

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``generator.json``, ``flow.safetensors`` and ``codec.safetensors``."""
        write_config(directory, "mini", {})
        save_half(self.network, Path(directory) / WEIGHTS.name)
        self.codec.save(Path(directory) / CODEC_WEIGHTS.name)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Hex digest over the weights of network, text encoder and codec."""
        parts = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        codec = {f"codec.{name}": value for name, value in self.codec.network.state_dict().items()}
        return tensors_sha256({**parts, **codec})

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """Say what of the prompt was ignored, moved or guessed."""
        return read(request.prompt).remarks

    def guide(self, scale: float) -> GuidanceFn:
        """Keep the loudness under guidance."""
        return rescaled_guidance(scale)

    def velocity(self, requests: Sequence[GenerationRequest], plan: SamplingPlan, tap: DenoiserTap) -> VelocityFn:
        """Read the prompts; the unconditional branch has open notes and no style."""
        prompts = [read(request.prompt) for request in requests]
        styles = torch.stack([style_tokens((p.instrument, p.level, p.brightness)) for p in prompts])
        given: dict[Branch, tuple[Tensor, Tensor]] = {
            "cond": (torch.stack([note_tokens(p.notes, plan.frames) for p in prompts]), styles),
            "uncond": (note_tokens(None, plan.frames).expand(len(prompts), -1), torch.zeros_like(styles)),
        }
        inputs = {
            branch: self.network.inputs(*(tensor.to(self.denoiser.device) for tensor in given[branch]))
            for branch in plan.branches
        }
        return network_velocity(self.denoiser, inputs, (plan.branches,), tap)
