"""Networks whose weights accelerate keeps elsewhere until they run: which weights, and where they will run."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor


def weights_of(network: Any) -> dict[str, Tensor]:
    """Return the state dict of a network; what sequential offloading holds elsewhere is brought to the CPU."""
    state: dict[str, Tensor] = dict(network.state_dict())
    if not any(tensor.is_meta for tensor in state.values()):
        return state
    utils: Any = importlib.import_module("accelerate.utils")  # optional, but here it is what offloaded
    for path, module in network.named_modules():
        with utils.align_module_device(module, "cpu"):
            own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
            found = {f"{path}.{name}" if path else name: tensor for name, tensor in own}
            state |= {name: tensor for name, tensor in found.items() if name in state}
    return state


def device_of(network: Any) -> torch.device:
    """Return the device a network computes on, which is where it is unless it was offloaded."""
    for module in network.modules():
        device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device)
    at: torch.device = network.device
    return at
