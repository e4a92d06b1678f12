"""Hold an SAE feature at one value in one second of the sound and nowhere else."""

from __future__ import annotations

import torch

from harness import Clamp, GenerationRequest, Schedule, bind, load_generator


def main(num_inference_steps: int | None = None, duration_s: float = 3.0) -> tuple[float, float]:
    """Return how far the latents moved inside the window and outside it, relative to their norm there."""
    generator = load_generator("mini")
    request = GenerationRequest("soft piano D4", num_inference_steps=num_inference_steps, duration_s=duration_s)
    window_s = (duration_s / 3, 2 * duration_s / 3)
    clamp = Clamp(100, 4.0, schedule=Schedule(t=(0.5, 1.0), frames_s=window_s))
    bound = bind([clamp], generator, request)
    change = generator.generate(request, hooks=bound).latents - generator.generate(request).latents
    inside = clamp.schedule.frame_mask(len(change), generator.codec.frame_rate_hz)
    if inside is None:
        raise ValueError("the schedule has a window")
    moved = tuple(float(change[rows].norm() / torch.tensor(change[rows].numel()).sqrt()) for rows in (inside, ~inside))
    sizes = ", ".join(f"{float(norm):.2f}" for norm in bound[0].record.values())
    print(f"moved {moved[0]:.3f} per number inside {window_s}, {moved[1]:.3f} outside; edits by step: {sizes}")
    return moved[0], moved[1]


if __name__ == "__main__":
    main()
