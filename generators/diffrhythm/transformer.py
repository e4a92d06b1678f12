"""DiffRhythm's denoiser (arXiv 2503.01183): noisy latents and conditions in, velocity out.

Written from a description of the published network; names of modules and parameters are the published ones without the
leading ``transformer.``. Shape letters: B batch, T frames, M latent channels, X text width, K condition width, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from generators.diffrhythm.blocks import Block, OutputNorm, zero_
from generators.diffrhythm.embeddings import InputEmbedding, ScalarEmbedding, TextEmbedding
from generators.diffrhythm.positions import Rotary

AttentionKind = Literal["bidirectional", "causal"]


@dataclass(frozen=True)
class Conditions:
    """Everything of a network call that depends neither on t nor on x_t; see ``DiffRhythmTransformer.prepare``."""

    cond: Tensor
    """Audio condition ``[B, T, M]``, zeros where dropped."""
    text: Tensor
    """Text features e ``[B, T, X]``."""
    style: Tensor
    """Style vector ``[B, K]``."""
    position: Tensor
    """Embedded start time plus embedded duration ``[B, K]``."""
    fusion: tuple[Tensor, ...]
    """Terms ``[B, T, D]`` added to the stream after each block of the first half."""


class DiffRhythmTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The denoiser: input mixer, Llama decoder layers with text fusion in the first half, modulated output norm.

    ``forward`` with all arguments is ``prepare``, which computes what does not depend on the step, followed by
    ``velocity``. A sampler prepares once per song and passes ``conditions`` at every step. Forward hooks on
    ``text_embed``, ``text_fusion_linears.*``, ``start_time_embed`` and ``duration_time_embed`` fire where ``prepare``
    runs, all others where ``velocity`` does.

    Weights may be of any floating type; inputs are cast to it and the velocity comes back in the type of ``x``.
    Positions are computed in float32 at every type.

    Parameters
    ----------
    dim, depth, ff_mult
        Width D (a multiple of 16 and of twice the heads), number of blocks, MLP width over D.
    text_dim, cond_dim
        X and K; they must be equal, since the fusion layers read text features where they expect conditions.
        The published models have 512.
    conv_layers
        ConvNeXt blocks over the text; 0 also leaves the text positions out.
    mel_dim
        M, latent channels.
    text_num_embeds
        Largest token id; token 0 is the filler.
    max_frames
        Length of the text position table; longer sequences repeat its last row.
    duration_embedding
        Whether the song's duration is a condition (full-length v1.2 models only).
    long_skip
        Whether the stream entering block 0 is joined to the one leaving the last block (no published model). The
        original calls this ``long_skip_connection``, which here is the layer alone: diffusers looks settings up first.
    attention
        ``"bidirectional"`` (v1.2) or ``"causal"`` (v1.0); the weights cannot tell.
    heads
        Attention heads. The published models have 32 at any ``dim``: the ``heads`` and ``dim_head`` of their own
        config file are read by nothing.
    modulation
        Whether every block is modulated by time and style (no published model; see ``Block``).
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        dim: int = 2048,
        depth: int = 16,
        ff_mult: int = 4,
        text_dim: int = 512,
        cond_dim: int = 512,
        conv_layers: int = 4,
        mel_dim: int = 64,
        text_num_embeds: int = 363,
        max_frames: int = 2048,
        duration_embedding: bool = False,
        long_skip: bool = False,
        attention: AttentionKind = "bidirectional",
        heads: int = 32,
        modulation: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if dim % 16 or dim % (2 * heads):
            raise ValueError(f"dim {dim} must be a multiple of 16 and of twice the number of heads ({2 * heads})")
        if text_dim != cond_dim:
            raise ValueError(f"text_dim {text_dim} must equal cond_dim {cond_dim}")
        if attention not in ("bidirectional", "causal"):
            raise ValueError(f"attention {attention!r} is neither 'bidirectional' nor 'causal'")
        self.time_embed = ScalarEmbedding(cond_dim)
        self.start_time_embed = ScalarEmbedding(cond_dim)
        self.duration_time_embed = ScalarEmbedding(cond_dim) if duration_embedding else None
        self.text_embed = TextEmbedding(text_num_embeds, text_dim, conv_layers, max_frames)
        self.input_embed = InputEmbedding(mel_dim, text_dim, cond_dim, dim)
        self.style_embed = nn.Linear(cond_dim, cond_dim) if modulation else None
        self.transformer_blocks = nn.ModuleList(
            Block(dim, heads, dim * ff_mult, causal=attention == "causal", cond_dim=cond_dim if modulation else None)
            for _ in range(depth)
        )
        self.text_fusion_linears = nn.ModuleList(
            nn.Sequential(zero_(nn.Linear(cond_dim, dim)), nn.SiLU()) for _ in range(depth // 2)
        )
        self.long_skip_connection = nn.Linear(2 * dim, dim, bias=False) if long_skip else None
        self.norm_out = OutputNorm(dim, cond_dim)
        self.proj_out = nn.Linear(dim, mel_dim)
        zero_(self.proj_out)

    def prepare(
        self,
        *,
        cond: Tensor,
        text: Tensor,
        style: Tensor,
        start_time: Tensor | float,
        duration: Tensor | float | None = None,
        drop_audio: bool = False,
        drop_text: bool = False,
        drop_style: bool = False,
    ) -> Conditions:
        """Compute what stays the same over all steps of a song.

        Parameters
        ----------
        cond
            Reference latents ``[B, T, M]``, zeros without a reference.
        text
            int64 ``[B, T]``, one token per frame, 0 where there is none.
        style
            ``[B, K]``.
        start_time
            ``[B]`` or one number for all, position in the song in [0, 1].
        duration
            ``[B]`` or one number in (0, 1]; required by, and read by, models with ``duration_embedding`` only.
        drop_audio, drop_text, drop_style
            Replace that condition by zeros (text: by the filler token).
        """
        if text.shape != cond.shape[:2]:
            raise ValueError(f"text {list(text.shape)} needs one token per frame of cond {list(cond.shape)}")
        if drop_text:
            text = torch.zeros_like(text)
        features = self.text_embed(text)
        position = self.start_time_embed(_scalars(start_time, cond))
        if self.duration_time_embed is not None:
            if duration is None:
                raise ValueError("this model has a duration embedding: pass duration [B], as end frame / max_frames")
            position = position + self.duration_time_embed(_scalars(duration, cond))
        return Conditions(
            cond=(torch.zeros_like(cond) if drop_audio else cond).to(self.dtype),
            text=features,
            style=(torch.zeros_like(style) if drop_style else style).to(self.dtype),
            position=position,
            fusion=tuple(linear(features) for linear in self.text_fusion_linears),
        )

    def velocity(self, x: Tensor, time: Tensor | float, conditions: Conditions) -> Tensor:
        """Velocity ``[B, T, M]`` of the state ``x [B, T, M]`` at ``time`` (one number or ``[B]``, 0 = noise)."""
        c = self.time_embed(_scalars(time, x)) + conditions.position
        modulator = None if self.style_embed is None else nn.functional.silu(c + self.style_embed(conditions.style))
        h = self.input_embed(x.to(self.dtype), conditions.cond, conditions.text, conditions.style, c)
        entering = h
        rotary = Rotary.at(torch.arange(x.shape[1], device=x.device), h.shape[-1] // self.config["heads"])
        for i, block in enumerate(self.transformer_blocks):
            h = block(h, rotary, modulator)
            if i < len(conditions.fusion):
                h = h + conditions.fusion[i]
        if self.long_skip_connection is not None:
            h = self.long_skip_connection(torch.cat([h, entering], dim=-1))
        output: Tensor = self.proj_out(self.norm_out(h, c))
        return output.to(x.dtype)

    def forward(
        self,
        x: Tensor,
        *,
        time: Tensor | float,
        cond: Tensor | None = None,
        text: Tensor | None = None,
        style: Tensor | None = None,
        start_time: Tensor | float | None = None,
        duration: Tensor | float | None = None,
        drop_audio: bool = False,
        drop_text: bool = False,
        drop_style: bool = False,
        conditions: Conditions | None = None,
    ) -> Tensor:
        """One network call, see ``prepare`` and ``velocity``; ``conditions`` stand for all arguments but the time."""
        if conditions is None:
            if cond is None or text is None or style is None or start_time is None:
                raise ValueError("give cond, text, style and start_time, or conditions that hold them")
            conditions = self.prepare(
                cond=cond,
                text=text,
                style=style,
                start_time=start_time,
                duration=duration,
                drop_audio=drop_audio,
                drop_text=drop_text,
                drop_style=drop_style,
            )
        return self.velocity(x, time, conditions)


def _scalars(values: Tensor | float, like: Tensor) -> Tensor:
    """One number per item of the batch of ``like``, on its device: ``[B]``."""
    return torch.as_tensor(values, device=like.device).expand(len(like))
