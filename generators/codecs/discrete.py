"""Codecs that send codes: their continuous latents, the codes, and the way from either to audio."""

from __future__ import annotations

from torch import Tensor

from generators.codecs.base import Codec
from generators.codecs.quantiser import check_codes, dequantise, quantise
from generators.codecs.scales import scales_of, with_scales


class DiscreteCodec(Codec):
    """Base class of codecs with codebooks. K codebooks of V rows.

    ``latents`` are the encoder's output before it is quantised; ``decode`` takes them as they are, edited or not.
    What a listener of the codec would hear of them is ``decode_codes(quantise(latents))``: few codebooks can swallow a
    small edit whole.
    """

    codebooks: Tensor
    """``[K, V, C]``: those in use at the chosen bandwidth, on the codec's device."""
    code_counts: range
    """How many codebooks codes may have."""

    def quantise(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]`` into int64 codes ``[B, K, T]``."""
        self._check_latents(latents)
        plain = latents.as_subclass(Tensor).to(self.codebooks)
        return with_scales(quantise(plain, self.codebooks), scales_of(latents))

    def dequantise(self, codes: Tensor) -> Tensor:
        """Turn codes ``[B, K, T]`` into the latents ``[B, T, C]`` they stand for.

        Raises ``ValueError`` for another number of codebooks, and for codes a codebook does not have.
        """
        check_codes(codes, self.code_counts, self.codebooks.shape[1])
        plain = codes.as_subclass(Tensor).to(self.codebooks.device).long()
        return with_scales(dequantise(plain, self.codebooks), scales_of(codes))

    def codes(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` at any sample rate into int64 codes ``[B, K, T]``."""
        return self.quantise(self.encode(audio, sample_rate_hz))

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Turn codes ``[B, K, T]`` into audio, as ``decode`` does their latents."""
        return self.decode(self.dequantise(codes))

    def _check_latents(self, latents: Tensor) -> None:
        if latents.dim() != 3 or latents.shape[-1] != self.latent_channels or not latents.shape[1]:
            raise ValueError(
                f"latents have shape {tuple(latents.shape)}; give [batch, frames >= 1, {self.latent_channels}]"
            )
