"""Training data of the flow model: finished clips in shards, and their latents once the codec is trained.

python -m generators.mini.recipe.dataset render --work work/mini --worker 0 --workers 2
python -m generators.mini.recipe.dataset encode --work work/mini
"""

from __future__ import annotations

import argparse
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
"""Clip length in frames -> number of shards; every length has its own batches."""
CLIPS = 480
FINISHES = 2
"""Dry clips in a shard, and how often each is tilted and levelled anew."""
PEAK = 4.0
"""int16 full scale: loud clips may exceed 1."""


def render_shard(path: Path, frames: int, seed: int) -> None:
    """Write finished clips as int16 with their tokens and labels."""
    rng = np.random.default_rng(seed)
    audio, rows, labels, spans = [], [], [], []
    for clip in random_clips(seed, CLIPS, frames):
        row = tokens(clip.notes, frames)
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
    part = path.with_suffix(".part")
    save_file(tensors, part)
    os.replace(part, path)


def note_spans(notes: tuple[Note, ...], frames: int) -> torch.Tensor:
    """Return the note number of each frame, int8 ``[frames]``, 0 in rests: training hides single notes."""
    row = torch.zeros(frames, dtype=torch.int8)
    for number, note in enumerate(notes, start=1):
        row[note.start : note.end] = number
    return row


def shard_paths(work: Path, kind: str) -> list[tuple[Path, int, int]]:
    """All shards of a kind as (path, frames, seed)."""
    return [
        (work / f"{kind}_{frames}_{k}.safetensors", frames, 10_000 + 100 * frames + k)
        for frames, count in SHARDS.items()
        for k in range(count)
    ]


@torch.no_grad()
def encode_shard(source: Path, target: Path, codec: MiniCodec) -> None:
    """Replace the audio of a shard by latents float16."""
    shard = load_file(source)
    audio = shard.pop("audio")
    latents = [codec.encode(part.float()[:, None] * (PEAK / 32767), SAMPLE_RATE_HZ).half() for part in audio.split(32)]
    save_file({**shard, "latents": torch.cat(latents)}, target)


def main() -> None:
    """Run one stage; finished shards are not made again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=["render", "encode"])
    parser.add_argument("--work", type=Path, default=Path("work/mini"), help="folder for intermediate files")
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    sources = shard_paths(arguments.work, "clips")[arguments.worker :: arguments.workers]
    targets = shard_paths(arguments.work, "latents")[arguments.worker :: arguments.workers]
    codec = MiniCodec.from_pretrained() if arguments.stage == "encode" else None
    for (source, frames, seed), (target, _, _) in zip(sources, targets, strict=True):
        if codec is None and not source.is_file():
            render_shard(source, frames, seed)
        if codec is not None and not target.is_file():
            encode_shard(source, target, codec)


if __name__ == "__main__":
    main()
