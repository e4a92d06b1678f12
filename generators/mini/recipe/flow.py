"""Train ``mini``'s flow model and text encoder on the encoded clips.

Resumes from its newest checkpoint. The learning rate is constant, then falls to zero over the last quarter of the
steps, so a longer run may continue a shorter one from a checkpoint made before its decay.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize

from generators.mini.generator import WEIGHTS, MiniNetwork
from generators.mini.recipe.dataset import latents_path, shards
from generators.mini.score import FREE, NUM_PITCHES, NUM_TOKENS, PITCHES_PER_SEMITONE
from generators.mini.weights import save_half

STEPS = 8500
BATCH = 32
EMA_DECAY = 0.999
DECAY_SHARE = 0.25
PEAK_RATE = 1.5e-3
CHECKPOINT_EVERY = 500
PITCH_BLUR = 0.5
"""Semitones: how far the embeddings of neighbouring pitches share what they learn."""


class SmoothPitches(nn.Module):
    """Table of token embeddings in which those of neighbouring pitches are alike, as averages of one free table.

    A table of free rows lets the network learn every pair of note and instrument for itself.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        pitches = torch.arange(NUM_PITCHES) / PITCHES_PER_SEMITONE
        kernel = torch.exp(-0.5 * ((pitches[:, None] - pitches) / PITCH_BLUR).square())
        others = torch.eye(NUM_TOKENS - 2 * NUM_PITCHES)
        blocks = (others, *[kernel / kernel.sum(1, keepdim=True)] * 2)
        self.register_buffer("kernel", torch.block_diag(*blocks), persistent=False)  # type: ignore[no-untyped-call]

    def forward(self, free: Tensor) -> Tensor:
        """Average the rows of ``free [tokens, X]``; FREE and REST stay as they are."""
        return self.kernel @ free


def trainee() -> MiniNetwork:
    """Return a new network whose token embeddings are smooth in pitch."""
    network = MiniNetwork()
    parametrize.register_parametrization(network.transformer.text_embed.text_embed, "weight", SmoothPitches())
    return network


@dataclass(frozen=True)
class Clips:
    """All training clips of one length."""

    latents: Tensor
    """float16 ``[n, T, 64]``"""
    tokens: Tensor
    """int64 ``[n, T]``"""
    spans: Tensor
    """Note number of each frame, int8 ``[n, T]``."""
    labels: Tensor
    """Instrument, level, brightness, int64 ``[n, 3]``."""


def load_clips(work: Path) -> list[Clips]:
    """Read all shards, one entry per clip length."""
    lengths: dict[int, list[dict[str, Tensor]]] = {}
    for shard in shards():
        lengths.setdefault(shard[0], []).append(load_file(latents_path(work, shard)))

    def joined(parts: list[dict[str, Tensor]], name: str) -> Tensor:
        return torch.cat([part[name] for part in parts])

    return [
        Clips(joined(s, "latents"), joined(s, "tokens").long(), joined(s, "spans"), joined(s, "labels").long())
        for s in lengths.values()
    ]


def draw_batch(clips: list[Clips], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw latents ``[B, T, 64]``, tokens ``[B, T]`` and style tokens ``[B, 3]``, with conditions left out at random.

    One item in ten has no condition at all. Of the others, a third leaves all notes open, a tenth some of them, and
    each of instrument, level and brightness is absent three times in ten.
    """

    def chance(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    sizes = torch.tensor([float(c.latents[..., 0].numel()) for c in clips])
    chosen = clips[int(torch.multinomial(sizes, 1, generator=generator))]
    rows = torch.randint(len(chosen.latents), (BATCH,), generator=generator)
    latents, tokens, spans = chosen.latents[rows].float(), chosen.tokens[rows], chosen.spans[rows].long()
    hidden = chance(BATCH, 16) < torch.where(chance(BATCH, 1) < 0.12, 0.5, 0.0)
    tokens = tokens.masked_fill(hidden.gather(1, spans) & (spans > 0), FREE)
    nothing = chance(BATCH, 1) < 0.1
    tokens = tokens.masked_fill((chance(BATCH, 1) < 0.33) | nothing, FREE)
    styles = (chosen.labels[rows] + 1).masked_fill((chance(BATCH, 3) < 0.3) | nothing, 0)
    return latents, tokens, styles


def draw_times(generator: torch.Generator) -> Tensor:
    """Draw t ``[B]``: half uniform, half logit-normal (Esser et al., arXiv 2403.03206)."""
    uniform = torch.rand(BATCH, generator=generator)
    middle = torch.sigmoid(torch.randn(BATCH, generator=generator))
    return torch.where(torch.rand(BATCH, generator=generator) < 0.5, uniform, middle)


def optimizers(network: MiniNetwork) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks (orthogonalised momentum), AdamW for everything else."""
    matrices = [p for p in network.transformer.transformer_blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def loss_of(
    network: MiniNetwork, latents: Tensor, tokens: Tensor, styles: Tensor, times: Tensor, noise: Tensor
) -> Tensor:
    """Flow-matching loss: squared error of the velocity at ``(1 - t) * noise + t * latents``."""
    x = torch.lerp(noise, latents, times[:, None, None])
    # The plain attention kernel: at this size its backward pass beats the fused one on a CPU.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        velocity = network.transformer(x, time=times, **network.inputs(tokens, styles))
    error: Tensor = velocity.float() - (latents - noise)
    return error.square().mean()


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: short warm-up, constant, linear fall over the last quarter."""
    return min(1.0, (step + 1) / 200, (steps - step) / (DECAY_SHARE * steps))


def train(work: Path, steps: int, seed: int = 0) -> None:
    """Train up to ``steps`` updates in all and write the shipped weights."""
    clips = load_clips(work)
    torch.manual_seed(seed)
    network, average = trainee(), trainee()
    average.load_state_dict(network.state_dict())
    average.requires_grad_(False)
    solvers = optimizers(network)
    first = resume(work, network, average, solvers)
    running, started = None, time.monotonic()
    with (work / "flow.jsonl").open("a") as log:
        for step in range(first, steps):
            generator = torch.Generator().manual_seed(1_000_003 * seed + step)
            latents, tokens, styles = draw_batch(clips, generator)
            noise = torch.randn(latents.shape, generator=generator)
            loss = loss_of(network, latents, tokens, styles, draw_times(generator), noise)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for solver in solvers:
                for group in solver.param_groups:
                    group["lr"] = PEAK_RATE * learning_rate(step, steps)
                solver.step()
                solver.zero_grad(set_to_none=True)
            with torch.no_grad():
                weight = 1 - min(EMA_DECAY, (step + 1) / (step + 10))
                torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), weight)
            running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
            if (step + 1) % 50 == 0:
                seconds = round((time.monotonic() - started) / (step + 1 - first), 3)
                log.write(json.dumps({"step": step + 1, "loss": round(running, 4), "s_per_step": seconds}) + "\n")
                log.flush()
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
                save_checkpoint(work, step + 1, network, average, solvers)
    parametrize.remove_parametrizations(average.transformer.text_embed.text_embed, "weight")
    save_half(average, WEIGHTS)


def save_checkpoint(
    work: Path, step: int, network: nn.Module, average: nn.Module, solvers: list[torch.optim.Optimizer]
) -> None:
    """Write everything a resumed run needs; the newest file wins."""
    part = work / "flow.part"
    state = {
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "solvers": [s.state_dict() for s in solvers],
    }
    torch.save(state, part)
    part.replace(work / f"flow_{step:06d}.pt")


def resume(work: Path, network: nn.Module, average: nn.Module, solvers: list[torch.optim.Optimizer]) -> int:
    """Load the newest checkpoint, if there is one; return the number of updates done."""
    checkpoints = sorted(work.glob("flow_*.pt"))
    if not checkpoints:
        return 0
    state = torch.load(checkpoints[-1], weights_only=True)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    for solver, saved in zip(solvers, state["solvers"], strict=True):
        solver.load_state_dict(saved)
    return int(state["step"])
