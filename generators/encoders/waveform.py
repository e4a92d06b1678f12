"""Encoders that read samples: HuBERT, wav2vec 2.0, WavLM and their relatives."""

from __future__ import annotations

import math
from typing import Any, Self

from torch import Tensor, nn

from generators.encoders.base import AudioEncoder
from generators.encoders.checkpoint import load_extractor, load_model

SEGMENT_S = 30.0
"""Attention grows with the square of the length; longer audio is cut."""


class WaveformEncoder(AudioEncoder):
    """A stack of strided convolutions (50 frames a second in the released models) and a transformer."""

    @classmethod
    def from_pretrained(cls, name: str, settings: dict[str, Any]) -> Self:
        """Load the class that ``settings`` names."""
        from transformers import AutoModel

        return cls(load_model(AutoModel, name), load_extractor(name), name)

    @property
    def blocks(self) -> nn.ModuleList:
        """Blocks of the transformer."""
        found: nn.ModuleList = self.model.encoder.layers
        return found

    @property
    def frame_rate_hz(self) -> float:
        """Sample rate over the product of the strides."""
        return self.sample_rate_hz / int(math.prod(self.model.config.conv_stride))

    @property
    def segment_frames(self) -> int:
        """Half a minute."""
        return int(SEGMENT_S * self.frame_rate_hz)

    @property
    def shortest_samples(self) -> int:
        """Receptive field of the convolutions."""
        field, config = 1, self.model.config
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            field = (field - 1) * stride + kernel
        return int(field)

    def run(self, inputs: dict[str, Tensor]) -> None:
        """Run the network."""
        self.model(**inputs)

    def arrange(self, states: Tensor, samples: int) -> Tensor:
        """Return the states: one token a frame."""
        return states
