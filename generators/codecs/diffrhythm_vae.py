"""DiffRhythm's autoencoder: 64 latent channels at 21.5 frames a second <-> stereo audio at 44.1 kHz."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Self

import torch
from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
from torch import Tensor
from torch.nn import functional as F

from generators.base import CheckpointError
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec
from generators.codecs.oobleck import build_vae, load_torchscript
from generators.codecs.windows import map_windows
from generators.folder import read_tensors
from generators.hashing import tensors_sha256
from generators.networks import SETTINGS_FILE, WEIGHTS_FILE, read_settings


class DiffRhythmVae(Codec):
    """The Oobleck autoencoder of Stable Audio (arXiv 2404.10301) with DiffRhythm's weights, in float32.

    Songs longer than 128 frames are computed in windows, as the original does. Their edges, 16 frames wide, are
    dropped, and no frame reaches further than 10, so memory stays flat and the result is that of the whole song at
    once, up to rounding. ``encode`` gives the posterior's mean, pads the end with silence and takes audio of any
    length; the original samples the posterior and cuts the rest off.

    Parameters
    ----------
    vae
        The network.
    """

    id = "diffrhythm-vae"
    chunked = True

    def __init__(self, vae: AutoencoderOobleck) -> None:
        self.vae = vae.eval().requires_grad_(False)
        self.sample_rate_hz = int(vae.config["sampling_rate"])
        self.channels = int(vae.config["audio_channels"])
        self.hop_samples = math.prod(vae.config["downsampling_ratios"])
        self.latent_channels = int(vae.config["decoder_input_channels"])

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, *, device: str = "cpu") -> Self:
        """Load the published TorchScript file, or a folder that ``save_pretrained`` wrote.

        Nothing is downloaded: a TorchScript file is a program.

        Raises
        ------
        CheckpointError
            Names the file, and the tensors that do not fit.
        """
        if path is None:
            raise CheckpointError("no weights of diffrhythm-vae come with this package; give the path of vae_model.pt")
        path = Path(path)
        vae = _load_folder(path) if path.is_dir() else load_torchscript(path)
        vae.to(device)  # type: ignore[arg-type]
        return cls(vae)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the network in diffusers' layout."""
        self.vae.save_pretrained(directory)

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest over the network's weights."""
        return tensors_sha256(self.vae.state_dict())

    @torch.no_grad()
    def encode(self, audio: Tensor, sample_rate_hz: int) -> Tensor:
        """Turn audio ``[B, channels, N]`` into the posterior's means ``[B, ceil(N / hop), C]``."""
        audio = prepare_audio(audio, sample_rate_hz, to_hz=self.sample_rate_hz, channels=self.channels)
        audio = F.pad(audio, (0, -audio.shape[-1] % self.hop_samples)).to(self.vae.device)
        means = map_windows(self._means, audio, step_in=self.hop_samples)
        return means.transpose(1, 2)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents ``[B, T, C]`` into float32 audio ``[B, channels, T * hop]``, not normalised."""
        latents = latents.to(self.vae.device, torch.float32).transpose(1, 2)
        return map_windows(self._audio, latents, step_out=self.hop_samples)

    def _means(self, audio: Tensor) -> Tensor:
        means: Tensor = self.vae.encode(audio).latent_dist.mean
        return means

    def _audio(self, latents: Tensor) -> Tensor:
        audio: Tensor = self.vae.decode(latents).sample
        return audio


def _load_folder(folder: Path) -> AutoencoderOobleck:
    """Read diffusers' layout, checking every tensor."""
    settings = read_settings(folder)
    if settings is None:
        raise CheckpointError(f"{folder / SETTINGS_FILE}: missing")
    file = folder / WEIGHTS_FILE
    return build_vae(settings, read_tensors(file), file)
