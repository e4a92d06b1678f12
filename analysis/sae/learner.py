"""One SAE while it learns: optimiser, unit norms, dead features, running figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from analysis.sae.base import SAE, Objective
from analysis.sae.config import SAEError
from analysis.sae.supervision import blind


@dataclass(frozen=True)
class TrainConfig:
    """How to train; shared by all SAEs of a grid."""

    steps: int
    """Number of batches."""
    batch_size: int = 4096
    """Vectors per batch; all of them when there are fewer."""
    learning_rate: float = 3e-3
    """Peak learning rate of Adam, for data normalised to unit variance."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises from 0."""
    decay: float = 0.5
    """Share of the steps, at the end, in which it falls to 0."""
    clip_norm: float = 10.0
    """Gradients of one SAE together longer than this are shortened to it."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16 runs the large matrix products in bfloat16; weights and optimiser stay float32."""
    dead_after: int | None = None
    """Vectors without activity after which a feature counts as dead; None = one pass over the data, at most 10 M."""
    record_every: int = 50
    """Steps between two records."""
    seed: int = 0
    """Seed of the batches' order and of resampling."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "record_every"):
            if getattr(self, name) < 1:
                raise SAEError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.dead_after is not None and self.dead_after < 1:
            raise SAEError(f"dead_after must be at least 1 vector; got {self.dead_after}")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SAEError(f"{name} must be a positive number; got {getattr(self, name)}")
        if self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise SAEError(f"warmup and decay are shares that add up to at most 1; got {self.warmup}, {self.decay}")
        if self.precision not in ("float32", "bf16"):
            raise SAEError(f"precision must be float32 or bf16; got {self.precision!r}")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of ``step``, counted from 0."""
        rising = (step + 1) / max(self.warmup * self.steps, 1)
        falling = (self.steps - step) / max(self.decay * self.steps, 1)
        return self.learning_rate * min(1.0, rising, falling)


@dataclass(frozen=True)
class Record:
    """Figures of one SAE over the steps since its last record, on the training batches."""

    sae: int
    """Index in the list of SAEs trained together."""
    step: int
    """Steps done."""
    samples: int
    """Vectors seen."""
    loss: float
    """Mean of the whole loss."""
    fvu: float
    """Squared error / squared distance from the data's mean."""
    l0: float
    """Mean number of active features per vector."""
    dead: float
    """Share of features that count as dead now."""
    learning_rate: float
    """Of the last step."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


class Learner:
    """Takes one SAE, in normalised units, through its training steps.

    The last ``unseen`` channels of its batches are reconstructed without being encoded, and are in no figure.
    """

    def __init__(self, sae: SAE, config: TrainConfig, dead_after: int, unseen: int = 0) -> None:
        self.sae = sae
        self._config = config
        self._unseen = unseen
        self._dead_after = dead_after
        self._trained = {name: p for name, p in sae.named_parameters() if p.requires_grad}
        self._optimiser = torch.optim.Adam(self._trained.values(), lr=0.0, fused=True)
        for parameter in self._trained.values():
            self._optimiser.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        self._idle = torch.zeros(sae.config.d_sae, dtype=torch.int64, device=sae.W_enc.device)
        """Vectors seen since each feature was last active."""
        self._totals = torch.zeros(5, dtype=torch.float64)
        """Since the last record: batches, loss, squared error, squared input, active entries."""

    @property
    def dead(self) -> Tensor:
        """Mask ``[d_sae]`` of the features that count as dead."""
        return self._idle >= self._dead_after

    def step(self, x: Tensor, step: int) -> None:
        """Learn from one normalised batch ``x [B, d_in]``. Raises ``SAEError`` when the loss is no longer a number."""
        sae, config = self.sae, self._config
        dead = self.dead if sae.revival == "auxk" else torch.zeros_like(self._idle, dtype=torch.bool)
        if step == 0:
            self._match_length(x, dead)
        objective = self._objective(x, dead)
        if not torch.isfinite(objective.loss):
            raise SAEError(f"training of {sae.name} diverged at step {step}; lower learning_rate")
        self._optimiser.zero_grad()
        objective.loss.backward()  # type: ignore[no-untyped-call]
        blind(sae.W_enc, self._unseen)
        if sae.unit_norm:
            remove_parallel_gradient(sae.W_dec)
        torch.nn.utils.clip_grad_norm_(self._trained.values(), config.clip_norm)
        self._optimiser.param_groups[0]["lr"] = config.learning_rate_at(step)
        self._optimiser.step()
        if sae.unit_norm:
            restore_unit_norm(sae.W_dec)
        self._idle = torch.where(objective.active_rows > 0, 0, self._idle + len(x))
        seen = x.shape[1] - self._unseen
        sums = (
            objective.loss.detach(),
            objective.residual[:, :seen].square().sum(),
            x[:, :seen].square().sum(),
            objective.active_rows.sum(),
        )
        self._totals += torch.stack([torch.ones(()), *(value.cpu().double() for value in sums)])
        every = -(-self._dead_after // len(x))
        if sae.revival == "resample" and (step + 1) % every == 0 and step + 1 <= (1 - config.decay) * config.steps:
            self._resample(x, objective.residual, step)

    def record(self, sae: int, step: int) -> Record:
        """Sum up the steps since the last record."""
        batches, loss, error, power, active = self._totals.tolist()
        self._totals.zero_()
        batch = self._config.batch_size
        return Record(
            sae=sae,
            step=step,
            samples=step * batch,
            loss=loss / batches,
            fvu=error / power,
            l0=active / batches / batch,
            dead=float(self.dead.double().mean()),
            learning_rate=self._config.learning_rate_at(step - 1),
        )

    def _objective(self, x: Tensor, dead: Tensor) -> Objective:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._config.precision == "bf16"):
            return self.sae.objective(x, dead)

    @torch.no_grad()
    def _match_length(self, x: Tensor, dead: Tensor) -> None:
        """Start from reconstructions of the best length: the tied starting weights only get the direction right."""
        x_hat = x - self._objective(x, dead).residual
        self.sae.rescale(float((x * x_hat).sum() / x_hat.square().sum().clamp(min=1e-12)))

    def _resample(self, x: Tensor, residual: Tensor, step: int) -> None:
        """Point dead features at what badly reconstructed vectors lack, and forget their optimiser state."""
        chosen = self.dead.nonzero().flatten()
        if not len(chosen):
            return
        generator = torch.Generator().manual_seed(
            int(np.random.SeedSequence((self._config.seed, step)).generate_state(1)[0])
        )
        # Squared error to the power 2, as in the cited work: the worst vectors first.
        rows = torch.multinomial(residual.square().sum(1).square().cpu(), len(chosen), True, generator=generator)
        self.sae.revive(chosen, torch.nn.functional.normalize(residual[rows.to(x.device)]))
        blind(self.sae.W_enc, self._unseen)
        for name, parameter in self._trained.items():
            for moment in ("exp_avg", "exp_avg_sq"):
                state = self._optimiser.state[parameter][moment]
                if name == "W_enc":
                    state[:, chosen] = 0
                elif name != "b_dec":
                    state[chosen] = 0
        self._idle[chosen] = 0

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        tensors = {f"sae.{name}": tensor for name, tensor in self.sae.state_dict().items()}
        for name, parameter in self._trained.items():
            for moment, tensor in self._optimiser.state[parameter].items():
                tensors[f"adam.{moment}.{name}"] = tensor
        return tensors | {"idle": self._idle, "totals": self._totals}

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``state`` gave."""
        for name, tensor in self.state().items():
            tensor.copy_(tensors[name])


@torch.no_grad()
def remove_parallel_gradient(W_dec: torch.nn.Parameter) -> None:
    """Take out of each row's gradient the part along the row, which would only change its norm."""
    if W_dec.grad is not None:
        W_dec.grad.addcmul_((W_dec.grad * W_dec).sum(1, keepdim=True), W_dec, value=-1)


@torch.no_grad()
def restore_unit_norm(W_dec: torch.nn.Parameter) -> None:
    """Scale each row to norm 1."""
    W_dec.div_(W_dec.norm(dim=1, keepdim=True).clamp(min=torch.finfo(W_dec.dtype).tiny))
