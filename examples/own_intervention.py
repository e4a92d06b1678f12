"""An intervention class of one's own: it smooths the estimate over time, so that notes glide into each other.

The function ``interventions`` at the end makes this file a script for ``harness generate --script`` too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import avg_pool1d

from generators.base import Generator
from harness import GenerationRequest, Schedule, load_generator, steer
from harness.errors import InputError
from harness.interventions.base import Edit, Intervention, Moment
from harness.interventions.site import Site


@dataclass(frozen=True)
class Glide(Intervention):
    """Averages every channel over ``frames`` neighbours, an odd number."""

    frames: int = 5

    def prepare(self, site: Site) -> Edit:
        """Check the width; return the edit."""
        if self.frames % 2 == 0 or not 0 < self.frames <= site.plan.frames:
            raise InputError(f"frames is {self.frames}; give an odd number up to {site.plan.frames}")

        def edit(value: Tensor, moment: Moment) -> Tensor:
            channels = value.transpose(1, 2)
            smooth = avg_pool1d(channels, self.frames, 1, self.frames // 2, count_include_pad=False)
            return value + moment.strength * (smooth.transpose(1, 2) - value)

        return edit


def interventions(generator: Generator, sae: Any, probes: Any) -> list[Intervention]:
    """Return what the script adds."""
    return [Glide(9, schedule=Schedule(t=(0.4, 1.0)))]


def main(num_inference_steps: int | None = None, duration_s: float | None = None) -> tuple[float, float]:
    """Return the mean change from frame to frame, without and with the glide."""
    generator = load_generator("mini")
    request = GenerationRequest("violin C4 A4 E4", num_inference_steps=num_inference_steps, duration_s=duration_s)
    plain = generator.generate(request).latents
    with steer(generator, interventions(generator, None, {})) as steered:
        smooth = steered.generate(request).latents
    before, after = (float(latents.diff(dim=0).norm(dim=1).mean()) for latents in (plain, smooth))
    print(f"change from frame to frame: {before:.2f}, with the glide {after:.2f}")
    return before, after


if __name__ == "__main__":
    main()
