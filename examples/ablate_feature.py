"""Remove the SAE feature that speaks most in a generation, and hear what it was for."""

from __future__ import annotations

import torch
from torch import Tensor

from harness import Ablate, GenerationRequest, HookPoint, load_generator, steer
from harness.decoding.artifacts import latent_source, require_shipped


def main(num_inference_steps: int | None = None, duration_s: float | None = None) -> float:
    """Return how far the final latents moved, relative to their norm."""
    generator = load_generator("mini")
    request = GenerationRequest(
        "a bright flute A4", num_inference_steps=num_inference_steps, duration_s=duration_s, seed=3
    )
    before = generator.generate(request)
    artifacts = require_shipped(latent_source(generator.codec))
    if artifacts.sae is None:
        raise SystemExit("no SAE is shipped for this generator")
    loudest = int(artifacts.sae.encode(before.latents).mean(0).argmax())

    seen: list[Tensor] = []

    class Watch:
        def wants(self, point: HookPoint) -> bool:
            return point.name == "x1_hat" and point.branch is None

        def __call__(self, point: HookPoint, value: Tensor) -> None:
            seen.append(artifacts.sae.encode(value)[..., loudest])  # type: ignore[union-attr]

    with steer(generator, [Ablate(loudest)]) as steered:
        after = steered.generate(request, hooks=[Watch()])
    moved = float((after.latents - before.latents).norm() / before.latents.norm())
    print(f"feature {loudest}: latents moved by {moved:.0%}; its largest activation is now {torch.stack(seen).max():g}")
    return moved


if __name__ == "__main__":
    main()
