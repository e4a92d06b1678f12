"""The overlapping segments that EnCodec's 48 kHz model works on, one after the other."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """Where segments begin and how many latent frames each has.

    The frames of all segments stand one after the other in the latents, so there are a few more than a signal of the
    same length has without overlap.
    """

    length_samples: int
    stride_samples: int
    hop_samples: int

    def slices(self, samples: int) -> list[slice]:
        """Cut a signal into segments; one begins at every stride inside it."""
        return [slice(at, min(at + self.length_samples, samples)) for at in range(0, samples, self.stride_samples)]

    def frames(self, samples: int) -> list[int]:
        """Count the latent frames of each segment of a signal."""
        return [-(-(part.stop - part.start) // self.hop_samples) for part in self.slices(samples)]

    def split(self, frames: int) -> list[int]:
        """Tell from the frames of a whole signal how many each of its segments has.

        No segment ever gets shorter when a signal grows, so the sum fixes the parts. Raises ``ValueError`` when no
        signal has as many frames.
        """
        candidates = range(frames * self.hop_samples + 1)
        samples = bisect.bisect_left(candidates, frames, lo=1, key=lambda n: sum(self.frames(n)))
        found = self.frames(samples)
        if sum(found) != frames:
            raise ValueError(
                f"{frames} latent frames do not make whole segments of {self.length_samples} samples every "
                f"{self.stride_samples}; give {sum(self.frames(samples - 1))} or {sum(found)}"
            )
        return found

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Cross-fade decoded segments ``[B, channels, n]`` with triangular weights, as long as the first one."""
        longest = parts[0].shape[-1]
        weight = torch.bartlett_window(longest + 2, periodic=False, dtype=parts[0].dtype, device=parts[0].device)[1:-1]
        joined = parts[0].new_zeros(*parts[0].shape[:-1], self.stride_samples * (len(parts) - 1) + parts[-1].shape[-1])
        total = joined.new_zeros(joined.shape[-1])
        for index, part in enumerate(parts):
            place = slice(index * self.stride_samples, index * self.stride_samples + part.shape[-1])
            joined[..., place] += weight[: part.shape[-1]] * part
            total[place] += weight[: part.shape[-1]]
        return joined / total
