"""Editing latents that are not being generated: those of a recording."""

from __future__ import annotations

import torch
from torch import Tensor

from generators.base import HookPoint
from generators.codecs.base import Codec
from harness.decoding.artifacts import Artifacts
from harness.errors import InputError
from harness.interventions.base import Moment
from harness.interventions.set_property import SetProperty
from harness.interventions.site import LatentSite

BLOCK_FRAMES = 2048
"""Frames edited at once, so that memory does not grow with their codes."""
CLEAN = HookPoint("x1_hat", step=0, t=1.0)


def edit_latents(
    latents: Tensor, wanted: SetProperty, codec: Codec, artifacts: Artifacts | None = None, *, strength: float = 1.0
) -> Tensor:
    """Set a property in clean latents ``[B, T, C]`` of ``codec``, as one step of a generation would.

    ``strength`` multiplies the intervention's own. Of its schedule only the window of the audio counts: there are no
    steps here. Raises ``InputError`` where SAE, probes or target do not fit.
    """
    if not latents.shape[1]:
        raise InputError("there are no latent frames to edit")
    site, mask = LatentSite(codec, artifacts), wanted.schedule.frame_mask(latents.shape[1], codec.frame_rate_hz)
    moment = Moment(CLEAN, wanted.strength * strength)
    blocks = torch.split(latents.float(), BLOCK_FRAMES, dim=1)
    edited = torch.cat([wanted.apply(wanted.prepare(site), block, moment) for block in blocks], dim=1)
    return edited if mask is None else torch.where(mask[None, :, None], edited, latents)
