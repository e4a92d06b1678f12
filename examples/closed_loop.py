"""A loop of one's own: raise the level a little at every step until a gauge of the estimate shows enough, then stop."""

from __future__ import annotations

from torch import Tensor

from harness import Call, GenerationRequest, HookPoint, Schedule, bind, load_generator
from harness.decoding.artifacts import latent_source, require_shipped

STEP_DB = 6.0


def main(num_inference_steps: int | None = None, duration_s: float | None = None) -> tuple[float, float]:
    """Return the mean level in dB without the loop and with it."""
    generator = load_generator("mini")
    moves = require_shipped(latent_source(generator.codec)).moves
    if moves is None:
        raise SystemExit("nothing is shipped that reads the level of this generator's latents")
    column = moves.gradual.index("loudness")
    request = GenerationRequest("clarinet C4", num_inference_steps=num_inference_steps, duration_s=duration_s)

    def level_db(latents: Tensor) -> float:
        return float(moves.read(latents)[..., column].mean())

    plain_db = level_db(generator.generate(request).latents)
    target_db = plain_db + 8

    def louder(value: Tensor, point: HookPoint) -> Tensor | None:
        missing_db = target_db - level_db(value)
        if missing_db < 1:
            return None
        wanted = moves.read(value)
        wanted[..., column] += min(missing_db, STEP_DB)
        return moves.to_values(value, wanted)

    loop = Call(louder, schedule=Schedule(t=(0.5, 1.0)))
    steered_db = level_db(generator.generate(request, hooks=bind([loop], generator, request)).latents)
    print(f"level {plain_db:.1f} dB, with the loop {steered_db:.1f} dB; the target was {target_db:.1f} dB")
    return plain_db, steered_db


if __name__ == "__main__":
    main()
