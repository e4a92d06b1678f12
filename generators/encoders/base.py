"""The contract of audio encoders: hidden states of chosen layers, on a regular frame grid."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from generators.base import RequestError
from generators.codecs.audio import prepare_audio
from generators.hashing import tensors_sha256


class AudioEncoder(ABC):
    """A transformer over audio. Layer 0 is what goes into its first block, layer n what the n-th block gives.

    The output of a block is taken as it is: a final layer norm, where the model has one, comes after it.

    Parameters
    ----------
    model
        One of transformers' models, in evaluation mode.
    extractor
        Its feature extractor.
    name
        What becomes ``id``.
    """

    def __init__(self, model: Any, extractor: Any, name: str) -> None:
        self.id = name
        """Hub id or folder."""
        self.model = model
        self.extractor = extractor
        self.sample_rate_hz = int(extractor.sampling_rate)

    @classmethod
    @abstractmethod
    def from_pretrained(cls, name: str, settings: dict[str, Any]) -> Self:
        """Load a folder or hub id whose ``config.json`` is ``settings``."""

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks, first to last."""

    @property
    @abstractmethod
    def frame_rate_hz(self) -> float:
        """Frames per second."""

    @property
    @abstractmethod
    def segment_frames(self) -> int:
        """Frames of the longest stretch that goes in at once; longer audio is cut."""

    @property
    @abstractmethod
    def shortest_samples(self) -> int:
        """Samples that give one frame; shorter audio is padded with silence."""

    @abstractmethod
    def run(self, inputs: dict[str, Tensor]) -> None:
        """Run the network."""

    @abstractmethod
    def arrange(self, states: Tensor, samples: int) -> Tensor:
        """Turn a layer's states ``[tokens, D]`` into frames ``[T, D]`` of a stretch of ``samples``."""

    @property
    def width(self) -> int:
        """D, numbers per frame."""
        return int(self.model.config.hidden_size)

    @property
    def layer_count(self) -> int:
        """Number of blocks; layers are 0 to this."""
        return len(self.blocks)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Hex digest over the model's weights."""
        return tensors_sha256(self.model.state_dict())

    def check_layers(self, layers: Sequence[int]) -> None:
        """Raise ``RequestError`` for a layer that does not exist."""
        for layer in layers:
            if not 0 <= layer <= self.layer_count:
                raise RequestError(f"there is no layer {layer}; {self.id} has layers 0 to {self.layer_count}")

    @torch.inference_mode()
    def encode(self, audio: Tensor, sample_rate_hz: int, layers: Sequence[int]) -> Tensor:
        """Return hidden states ``[len(layers), T, D]`` of audio ``[channels, N]`` at any rate, at most a segment long.

        Raises ``RequestError`` for a layer that does not exist, ``ValueError`` for audio that is empty or not finite.
        """
        self.check_layers(layers)
        mono = prepare_audio(audio[None], sample_rate_hz, to_hz=self.sample_rate_hz, channels=1)[0, 0].cpu().numpy()
        padded = np.pad(mono, (0, max(self.shortest_samples - len(mono), 0)))
        inputs = self.extractor(padded, sampling_rate=self.sample_rate_hz, return_tensors="pt")
        with _captured(self.blocks, layers) as states:
            self.run({name: value for name, value in inputs.items() if name.startswith("input_")})
        return torch.stack([self.arrange(states[layer][0].float(), len(padded)) for layer in layers])


@contextmanager
def _captured(blocks: nn.ModuleList, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Collect the states of layers while the network runs; the hooks are gone when the block ends."""
    states: dict[int, Tensor] = {}

    def take_output(layer: int, output: Any) -> None:
        states[layer] = output[0] if isinstance(output, tuple) else output

    def take_input(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states[0] = args[0] if args else kwargs["hidden_states"]

    handles = []
    try:
        for layer in layers:
            if layer == 0:
                handles.append(blocks[0].register_forward_pre_hook(take_input, with_kwargs=True))
            else:
                handles.append(
                    blocks[layer - 1].register_forward_hook(
                        lambda module, args, output, layer=layer: take_output(layer, output)
                    )
                )
        yield states
    finally:
        for handle in handles:
            handle.remove()
