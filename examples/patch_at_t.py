"""Let one prompt start a sound and another finish it: its state at one t comes from the other run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness import GenerationRequest, Patch, Schedule, bind, load_generator, run


def main(num_inference_steps: int | None = None, duration_s: float | None = None) -> dict[float, float]:
    """Return, per t of the patch, how near the result is to the other run: 0 = its own sound, 1 = the other's."""
    generator = load_generator("mini")
    flute, trumpet = (
        GenerationRequest(prompt, num_inference_steps=num_inference_steps, duration_s=duration_s, seed=seed)
        for prompt, seed in (("a soft dark flute A4", 1), ("a loud bright trumpet E4", 2))
    )
    own = generator.generate(trumpet).latents
    shares = {}
    with tempfile.TemporaryDirectory() as folder:
        (recorded,) = run(generator, [flute], Path(folder), trace=True)
        other = generator.generate(flute).latents
        for t in (0.2, 0.8):
            patch = Patch(str(recorded.trace), at="x_t", schedule=Schedule(t=(t, t)))
            mixed = generator.generate(trumpet, hooks=bind([patch], generator, trumpet)).latents
            shares[t] = float((mixed - own).norm() / ((mixed - own).norm() + (mixed - other).norm()))
            print(f"patched at t {t}: {shares[t]:.0%} of the way to the other run")
    return shares


if __name__ == "__main__":
    main()
