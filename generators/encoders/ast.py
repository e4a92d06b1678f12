"""The Audio Spectrogram Transformer (arXiv 2104.01778): patches of a mel spectrogram."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from generators.encoders.base import AudioEncoder
from generators.encoders.checkpoint import load_extractor, load_model

WINDOW_S, HOP_S = 0.025, 0.010
"""Of the spectrogram's columns; fixed in the feature extractor."""
SPECIAL_TOKENS = 2


class SpectrogramEncoder(AudioEncoder):
    """One frame is one column of patches: the mean over its frequency bands. Columns of the padding are dropped."""

    @classmethod
    def from_pretrained(cls, name: str, settings: dict[str, Any]) -> Self:
        """Load the model without a classification head."""
        from transformers import ASTModel

        return cls(load_model(ASTModel, name), load_extractor(name), name)

    @property
    def blocks(self) -> nn.ModuleList:
        """Blocks of the transformer, where either major version of transformers has them."""
        found: nn.ModuleList = self.model.layers if hasattr(self.model, "layers") else self.model.encoder.layer
        return found

    @property
    def frame_rate_hz(self) -> float:
        """Columns of patches per second; 10 in the released models."""
        return 1 / (HOP_S * int(self.model.config.time_stride))

    @property
    def segment_frames(self) -> int:
        """Columns of the window that are not padding when exactly this many go in."""
        return max(self._columns - int(self.model.config.patch_size) // int(self.model.config.time_stride), 1)

    @property
    def shortest_samples(self) -> int:
        """One spectrogram column."""
        return round(WINDOW_S * self.sample_rate_hz)

    @property
    def _columns(self) -> int:
        return int(self.model.embeddings.get_shape(self.model.config)[1])

    def run(self, inputs: dict[str, Tensor]) -> None:
        """Run the network."""
        self.model(inputs["input_values"])

    def arrange(self, states: Tensor, samples: int) -> Tensor:
        """Average the bands, which are the slow index of the tokens, and keep the columns with sound in them."""
        config, rate = self.model.config, self.sample_rate_hz
        by_column = states[SPECIAL_TOKENS:].reshape(-1, self._columns, self.width).mean(0)
        spectra = 1 + (samples - round(WINDOW_S * rate)) // round(HOP_S * rate)
        whole = 1 + (spectra - int(config.patch_size)) // int(config.time_stride)
        return by_column[: min(max(whole, 1), self._columns)]
