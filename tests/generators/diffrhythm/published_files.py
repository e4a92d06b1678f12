"""Small DiffRhythms in the published form: real file formats, tiny networks."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from generators.diffrhythm import DiffRhythmTransformer

VAE_FILE = Path(__file__).parents[2] / "data/diffrhythm/vae/vae_model.pt"
"""Two latent channels."""
COND_DIM = 8


@functools.cache
def state(duration_embedding: bool = False) -> dict[str, Tensor]:
    """Weights as published: float16, with the leading ``transformer.``."""
    torch.manual_seed(0)
    network = DiffRhythmTransformer(
        dim=64,
        depth=2,
        ff_mult=2,
        text_dim=COND_DIM,
        cond_dim=COND_DIM,
        conv_layers=1,
        mel_dim=2,
        text_num_embeds=9,
        duration_embedding=duration_embedding,
    )
    return {f"transformer.{name}": tensor.half() for name, tensor in network.state_dict().items()}


def write(
    folder: Path, *, vae: bool = True, negative_style: bool = True, tensors: dict[str, Tensor] | None = None
) -> Path:
    """Write ``cfm_model.pt`` and, unless told otherwise, ``vae_model.pt`` and ``vocal.npy``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model_state_dict": state() if tensors is None else tensors}, folder / "cfm_model.pt")
    if vae:
        shutil.copy(VAE_FILE, folder)
    if negative_style:
        np.save(folder / "vocal.npy", np.full((1, COND_DIM), COND_DIM**-0.5, np.float32))
    return folder
