"""The encoder half of Whisper: half a minute of log-mel spectrogram, 50 frames a second."""

from __future__ import annotations

import math
from typing import Any, Self

from torch import Tensor, nn

from generators.encoders.base import AudioEncoder
from generators.encoders.checkpoint import load_extractor, load_model


class WhisperEncoder(AudioEncoder):
    """Audio is always padded to the full window; frames of the padding are dropped."""

    @classmethod
    def from_pretrained(cls, name: str, settings: dict[str, Any]) -> Self:
        """Load the whole model and keep its encoder."""
        from transformers import WhisperModel

        return cls(load_model(WhisperModel, name).get_encoder(), load_extractor(name), name)

    @property
    def blocks(self) -> nn.ModuleList:
        """Blocks of the encoder."""
        found: nn.ModuleList = self.model.layers
        return found

    @property
    def frame_rate_hz(self) -> float:
        """Half the rate of the spectrogram's columns."""
        return self.sample_rate_hz / self._hop_samples

    @property
    def segment_frames(self) -> int:
        """The full window."""
        return int(self.model.config.max_source_positions)

    @property
    def shortest_samples(self) -> int:
        """One sample: the window is padded anyway."""
        return 1

    @property
    def _hop_samples(self) -> int:
        return 2 * int(self.extractor.hop_length)

    def run(self, inputs: dict[str, Tensor]) -> None:
        """Run the encoder."""
        self.model(inputs["input_features"])

    def arrange(self, states: Tensor, samples: int) -> Tensor:
        """Keep the frames that begin inside the audio."""
        return states[: math.ceil(samples / self._hop_samples)]
