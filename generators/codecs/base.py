"""The contract every codec keeps: audio <-> continuous latents on a regular frame grid."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Codec(ABC):
    """Base class of all codecs. Shape letters: B batch, N samples, T frames, C latent channels.

    Tensors may come from any device; a codec moves them to its own.
    """

    id: str
    """Registered name or hub id."""
    sample_rate_hz: int
    channels: int
    """Audio channels of ``decode``'s output."""
    hop_samples: int
    """Samples per latent frame."""
    latent_channels: int
    """C."""
    chunked: bool = False
    """Whether long audio is computed piece by piece, in memory that does not grow with its length."""

    @property
    def frame_rate_hz(self) -> float:
        """Latent frames per second."""
        return self.sample_rate_hz / self.hop_samples

    @property
    @abstractmethod
    def weights_sha256(self) -> str:
        """Hex digest over the names, shapes and values of all weights."""

    def standalone(self) -> Codec:
        """Return the codec whose latents alone hold all that ``decode`` needs: for most codecs the codec itself."""
        return self

    @abstractmethod
    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` at any sample rate into latents ``[B, T, C]``, T = ceil(N / hop)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]``, edited or not, into audio ``[B, channels, T * hop_samples]``."""
