"""One network call without numbers, for what can be known of it beforehand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from generators.diffrhythm.transformer import DiffRhythmTransformer


def outputs(transformer: DiffRhythmTransformer, frames: int) -> dict[str, Tensor]:
    """Foresee what every module returns in a call on one song of ``frames`` frames: its path -> tensor on ``meta``.

    A twin of the network runs on that device, so it takes no memory and next to no time.
    """
    config = {name: value for name, value in transformer.config.items() if not name.startswith("_")}
    seen: dict[str, Tensor] = {}
    with torch.device("meta"), torch.no_grad():
        twin = DiffRhythmTransformer(**config)
        for name, module in twin.named_modules():
            module.register_forward_hook(_keep(seen, name))
        latents, style = torch.empty(1, frames, config["mel_dim"]), torch.empty(1, config["cond_dim"])
        text, one = torch.empty(1, frames, dtype=torch.int64), torch.empty(1)
        twin(latents, cond=latents, text=text, style=style, time=one, start_time=one, duration=one)
    return seen


def _keep(seen: dict[str, Tensor], name: str) -> Callable[[nn.Module, object, object], None]:
    def hook(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen[name] = output

    return hook
