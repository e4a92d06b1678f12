"""Training data of the flow model: finished clips in shards, and their latents once the codec is trained."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from generators.mini.codec import MiniCodec
from generators.mini.recipe.render import SAMPLE_RATE_HZ, finish, random_clips, random_finish
from generators.mini.score import Note, tokens
from generators.mini.vocabulary import BRIGHTNESS_DB_PER_OCTAVE, INSTRUMENTS, LEVELS_LUFS

SHARDS = {108: 15, 72: 4, 172: 4}
"""Clip length in frames -> number of shards of notes in tune; every length has its own batches."""
DETUNED_SHARDS = {108: 9, 72: 2, 172: 2}
"""The same for notes out of tune: pitches between the semitones make timbre and pitch separable."""
DETUNINGS = (-0.5, -0.25, 0.25, 0.5)
CLIPS = 480
FINISHES = 2
"""Dry clips in a shard, and how often each is tilted and levelled anew."""
PEAK = 4.0
"""int16 full scale: loud clips may exceed 1."""


def note_spans(notes: tuple[Note, ...], frames: int) -> torch.Tensor:
    """Return the note number of each frame, int8 ``[frames]``, 0 in rests: training hides single notes."""
    row = torch.zeros(frames, dtype=torch.int8)
    for number, note in enumerate(notes, start=1):
        row[note.start : note.end] = number
    return row


def shards() -> list[tuple[int, int]]:
    """List all shards as (frames, number)."""
    return [(frames, k) for frames, count in SHARDS.items() for k in range(count + DETUNED_SHARDS[frames])]


def latents_path(work: Path, shard: tuple[int, int]) -> Path:
    """Say where a shard's latents, tokens and labels are."""
    return work / f"latents_{shard[0]}_{shard[1]}.safetensors"


def _clips_path(work: Path, shard: tuple[int, int]) -> Path:
    return work / f"clips_{shard[0]}_{shard[1]}.safetensors"


def render(work: Path, shard: tuple[int, int]) -> None:
    """Write one shard of finished clips as int16 with their tokens and labels, unless it is there."""
    path, (frames, k) = _clips_path(work, shard), shard
    if path.is_file():
        return
    seed = 10_000 + 100 * frames + k
    rng = np.random.default_rng(seed)
    audio, rows, labels, spans = [], [], [], []
    for clip in random_clips(seed, CLIPS, frames, detunings=(0.0,) if k < SHARDS[frames] else DETUNINGS):
        row = tokens(clip.notes, frames, clip.detuning)
        for _ in range(FINISHES):
            level, brightness, lufs, tilt = random_finish(rng)
            samples = np.clip(finish(clip.audio, tilt, lufs) / PEAK, -1, 1) * 32767
            audio.append(torch.from_numpy(samples.round().astype(np.int16)))
            rows.append(row.short())
            spans.append(note_spans(clip.notes, frames))
            labels.append(
                [
                    list(INSTRUMENTS).index(clip.instrument),
                    list(LEVELS_LUFS).index(level),
                    list(BRIGHTNESS_DB_PER_OCTAVE).index(brightness),
                ]
            )
    tensors = {
        "audio": torch.stack(audio),
        "tokens": torch.stack(rows),
        "spans": torch.stack(spans),
        "labels": torch.tensor(labels, dtype=torch.uint8),
    }
    _save(path, tensors)


@torch.no_grad()
def encode(work: Path, shard: tuple[int, int]) -> None:
    """Replace the audio of one shard by latents float16, unless that is done."""
    path = latents_path(work, shard)
    if path.is_file():
        return
    codec = MiniCodec.from_pretrained()
    tensors = load_file(_clips_path(work, shard))
    audio = tensors.pop("audio")
    latents = [
        codec.encode(part.float()[:, None] * (PEAK / 32767), SAMPLE_RATE_HZ).half() for part in torch.split(audio, 32)
    ]
    _save(path, {**tensors, "latents": torch.cat(latents)})


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write under another name first, so that an interrupted file is not taken for a finished one."""
    part = path.with_suffix(".part")
    save_file(tensors, part)
    os.replace(part, path)
