"""What has to be known of each pipeline beyond what its call and its parts tell. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generators.base import Branch


@dataclass(frozen=True)
class Family:
    """One pipeline class of diffusers."""

    denoiser: str
    """Attribute of the pipeline that holds the network."""
    order: tuple[Branch, Branch] = ("uncond", "cond")
    """Order of the guidance branches along the batch of one network call, or of the two calls."""
    calls: int = 1
    """Network calls a step makes under guidance."""
    guidance: str = "uncond + guidance_scale * (cond - uncond)"
    """How branches are combined, in words."""
    scaled_noise: bool = False
    """Whether the pipeline multiplies the latents it is given by ``scheduler.init_noise_sigma``."""
    refused: tuple[str, ...] = ()
    """Arguments of its call that would break what is promised, such as guidance in part of the steps."""
    codec: str = "its VAE"
    """How latents become audio, in words."""


_LDM = Family("unet", scaled_noise=True, codec="mel VAE and vocoder")

FAMILIES: dict[str, Family] = {
    "StableAudioPipeline": Family("transformer", scaled_noise=True, codec="Oobleck"),
    "StableAudio3Pipeline": Family("transformer", codec="SAME"),
    "AceStepPipeline": Family(
        "transformer",
        order=("cond", "uncond"),
        guidance="adaptive projected guidance with momentum (arXiv 2410.02416)",
        refused=(
            *("cfg_interval_start", "cfg_interval_end"),
            *("task_type", "track_name", "complete_track_classes", "audio_codes"),
            *("repainting_start", "repainting_end", "audio_cover_strength"),
        ),
        codec="Oobleck",
    ),
    "LongCatAudioDiTPipeline": Family("transformer", order=("cond", "uncond"), calls=2, codec="LongCat VAE"),
    "AudioLDM2Pipeline": _LDM,
    "MusicLDMPipeline": _LDM,
    "AudioLDMPipeline": _LDM,
}
"""Pipelines whose branches and hidden layers can be seen. Any other pipeline that ends in a known codec runs as well:
its states, guided predictions and clean estimates are seen at the scheduler."""

EVERYWHERE = ("x_t", "guided velocity", "guided x1_hat")
"""What can be seen, and changed, in every pipeline, at its scheduler."""


def exposes(family: Family) -> tuple[str, ...]:
    """Name what can be seen and changed in a pipeline of the table."""
    calls = "in one call" if family.calls == 1 else "in two calls"
    return (*EVERYWHERE, f"branches {calls}", "hidden layers")
