"""Train ``mini``'s codec: a principal component analysis to start from, then both networks on rendered clips.

python -m generators.mini.recipe.codec --work work/mini
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import cast

import librosa
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from generators.mini.codec import FEATURES, LATENT_CHANNELS, WEIGHTS, CodecNetwork, stack, unstack
from generators.mini.recipe.render import FRAMES, SAMPLE_RATE_HZ, finish, random_clips, random_finish
from generators.mini.spectrogram import BINS, N_FFT, STACK, log_magnitude
from generators.mini.weights import save_half

STEPS = 1100
CLIPS = 1500
NOISE = 0.03
"""Deviation of the noise added to latents in training, so that nearby latents sound alike."""


def training_features(path: Path, seed: int) -> Tensor:
    """Features ``[CLIPS, FRAMES, FEATURES]`` float16 of finished random clips, kept in ``path``."""
    if path.is_file():
        return load_file(path)["features"]
    rng = np.random.default_rng(seed)
    rows = []
    for clip in random_clips(seed, CLIPS, FRAMES):
        _, _, lufs, tilt = random_finish(rng)
        audio = torch.from_numpy(finish(clip.audio, tilt, lufs))
        rows.append(stack(log_magnitude(audio[None])).half())
    features = torch.cat(rows)
    save_file({"features": features}, path)
    return features


def bin_weights() -> Tensor:
    """Weight of every feature in the analysis: about constant per mel band, since low bins carry the pitch."""
    freqs_hz = torch.linspace(0, SAMPLE_RATE_HZ / 2, BINS)
    return (1 / (1 + freqs_hz / 700).sqrt()).repeat(STACK)


def fit_linear(network: CodecNetwork, features: Tensor) -> None:
    """Set the network's linear part to the weighted principal components of ``features``."""
    rows = features.reshape(-1, FEATURES)[::3].float()
    weights = bin_weights()
    mean = rows.mean(0)
    centred = (rows - mean) * weights
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values[-LATENT_CHANNELS:].flip(0), vectors[:, -LATENT_CHANNELS:].flip(1)
    # Half-whitened: fully white latents make every direction equally important to the flow model.
    scale = values.sqrt().sqrt()
    scale = scale * (values / scale**2).mean().sqrt()
    network.mean.copy_(mean)
    network.analysis.copy_(weights[:, None] * vectors / scale)
    network.synthesis.copy_((vectors * scale).T / weights)


def loss_terms(predicted: Tensor, target: Tensor, mel: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Log-spectral, loudness-weighted and mel distances of features ``[B, T, FEATURES]``."""
    difference = (predicted - target).abs()
    columns, wanted = unstack(predicted), unstack(target)
    compressed = ((0.3 * columns).exp() - (0.3 * wanted).exp()).abs().mean() * 10
    log_mels = [torch.log((2 * x).exp() @ mel + 1e-8) for x in (columns, wanted)]
    return {
        "log": (difference * weights).mean(),
        "compressed": compressed,
        "mel": (log_mels[0] - log_mels[1]).abs().mean(),
    }


def train(work: Path, steps: int, seed: int = 0) -> None:
    """Train for ``steps`` updates and write the shipped weights file."""
    torch.manual_seed(seed)
    features = training_features(work / "codec_features.safetensors", seed)
    held_out, features = features[: CLIPS // 20], features[CLIPS // 20 :]
    network = CodecNetwork()
    fit_linear(network, features)
    mel = torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=N_FFT, n_mels=80, norm=None)).float().T
    weights = bin_weights() / bin_weights().mean()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    with (work / "codec.jsonl").open("w") as log:
        for step in range(1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(1, step / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            batch = features[torch.randint(len(features), (16,))].float()
            with torch.autocast("cpu", torch.bfloat16):
                latents = network.encode(batch)
                latents = latents + NOISE * torch.randn_like(latents)
                predicted = network.decode(latents)
            terms = loss_terms(predicted.float(), batch, mel, weights)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(sum(terms.values(), torch.zeros(())))
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            if step % 100 == 0:
                with torch.no_grad():
                    batch = held_out[:32].float()
                    latents = network.encode(batch)
                    terms = loss_terms(network.decode(latents), batch, mel, weights)
                row = {"step": step, **{k: round(v.item(), 4) for k, v in terms.items()}}
                row["latent_rms"] = round(latents.square().mean().sqrt().item(), 3)
                log.write(json.dumps(row) + "\n")
                log.flush()
    normalise(network, features)
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_half(network, WEIGHTS)


@torch.no_grad()
def normalise(network: CodecNetwork, features: Tensor) -> None:
    """Scale the latents to unit overall deviation, by one number, without changing what is decoded."""
    sample = network.encode(features[::10].float())
    scale = sample.std()
    network.analysis /= scale
    network.synthesis *= scale
    last, first = cast(nn.Linear, network.encoder[-1]), cast(nn.Linear, network.decoder[0])
    for parameter in (last.weight, last.bias):
        parameter.div_(scale)
    first.weight.mul_(scale)
