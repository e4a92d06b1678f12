"""The SAE contract: weights under the field's usual names, dense and sparse codes, one training loss."""

from __future__ import annotations

import copy
import hashlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from analysis.display import facts_html
from analysis.sae import ARCHITECTURES
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.kernels import Support, decode_at
from analysis.sae.normalisation import Normalisation
from analysis.source import Source, SourceError

Revival = Literal["auxk", "resample", "none"]

_DENSE_ROWS = 4096
"""Rows whose dense codes are held at once when a sparse code is asked for."""


class SparseCode(NamedTuple):
    """The active features of each vector. K is the most that any of them has; the rest is padding of value 0."""

    indices: Tensor
    """``[..., K]`` int64."""
    values: Tensor
    """``[..., K]``, not negative."""

    def to_dense(self, d_sae: int) -> Tensor:
        """Return the same code as ``[..., d_sae]``."""
        dense = self.values.new_zeros(*self.values.shape[:-1], d_sae)
        return dense.scatter_add(-1, self.indices, self.values)

    @classmethod
    def from_dense(cls, dense: Tensor) -> SparseCode:
        """Collect the non-zero entries of ``[..., d_sae]``."""
        most = int((dense != 0).sum(-1).max()) if dense.numel() else 0
        values, indices = dense.topk(max(most, 1), sorted=False)
        return cls(indices, values)


class Objective(NamedTuple):
    """What one batch gives the training loop."""

    loss: Tensor
    """Scalar to minimise: squared error per vector, plus whatever the architecture adds."""
    residual: Tensor
    """``x - x_hat`` ``[B, d_in]``, without gradient."""
    active_rows: Tensor
    """``[d_sae]`` int64: in how many of the B vectors each feature was active."""


class SAE(nn.Module, ABC):
    """Base class of all architectures: ``encode(x) = act(x @ W_enc + b_enc)``, ``decode(f) = f @ W_dec + b_dec``.

    Subclasses implement ``encode`` and ``objective`` and pass ``analysis.testing.SAETests``. Starting weights are
    tied: random unit rows in ``W_dec`` and their transpose in ``W_enc``.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    """Settings of ``SAEConfig`` the architecture cannot do without."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Settings it may also be given."""
    unit_norm: ClassVar[bool] = True
    """Whether rows of ``W_dec`` are held at norm 1 while training."""
    revival: Revival = "resample"
    """How dead features are brought back: by a term of ``objective``, by ``revive``, or not at all."""

    W_enc: nn.Parameter
    """``[d_in, d_sae]``."""
    b_enc: nn.Parameter
    """``[d_sae]``."""
    W_dec: nn.Parameter
    """``[d_sae, d_in]``."""
    b_dec: nn.Parameter
    """``[d_in]``."""
    threshold: Tensor | None
    """``[d_sae]``: activations up to it count as none; None where the architecture has no such thing."""

    def __init__(self, config: SAEConfig, source: Source | None = None) -> None:
        super().__init__()
        config.require(self.needs, self.takes)
        if source is not None and source.d_in != config.d_in:
            raise SAEError(f"the SAE has d_in {config.d_in} but its source has d_in {source.d_in}")
        self.config = config
        self.source = source
        generator = torch.Generator().manual_seed(config.seed)
        directions = normalize(torch.randn(config.d_sae, config.d_in, generator=generator))
        self.W_enc = nn.Parameter(directions.T.clone(memory_format=torch.contiguous_format))
        self.b_enc = nn.Parameter(torch.zeros(config.d_sae))
        self.W_dec = nn.Parameter(directions)
        self.b_dec = nn.Parameter(torch.zeros(config.d_in))
        self.register_buffer("threshold", None)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return the dense code ``[..., d_sae]`` of ``x [..., d_in]``, not negative."""

    @abstractmethod
    def objective(self, x: Tensor, dead: Tensor) -> Objective:
        """Evaluate a batch ``x [B, d_in]`` for training; ``dead [d_sae]`` marks features not seen for long."""

    def pre_activations(self, x: Tensor) -> Tensor:
        """Return ``x @ W_enc + b_enc`` for ``x [..., d_in]``. Raises ``SAEError`` for another width."""
        self.check_width(x)
        return x @ self.W_enc + self.b_enc

    def encode_sparse(self, x: Tensor) -> SparseCode:
        """Return the code of ``x [..., d_in]`` as indices and values, made for some thousand rows at a time."""
        self.check_width(x)
        blocks = torch.split(x.reshape(-1, x.shape[-1]), _DENSE_ROWS)
        codes = [SparseCode.from_dense(self.encode(rows)) for rows in blocks]
        most = max(code.values.shape[-1] for code in codes)
        padded = [[pad(part, (0, most - part.shape[-1])) for part in code] for code in codes]
        indices, values = (torch.cat(parts).reshape(*x.shape[:-1], most) for parts in zip(*padded, strict=True))
        return SparseCode(indices, values)

    def decode(self, code: Tensor | SparseCode) -> Tensor:
        """Return ``x_hat [..., d_in]`` of a dense ``[..., d_sae]`` or sparse code."""
        if isinstance(code, Tensor):
            return code @ self.W_dec + self.b_dec
        indices = code.indices.reshape(-1, code.indices.shape[-1])
        decoded = decode_at(code.values.reshape(-1), self.W_dec, Support.rectangular(indices, self.config.d_sae))
        return decoded.reshape(*code.indices.shape[:-1], self.config.d_in) + self.b_dec

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction ``x_hat`` of ``x [..., d_in]``."""
        return self.decode(self.encode_sparse(x))

    @torch.no_grad()
    def revive(self, dead: Tensor, directions: Tensor) -> None:
        """Point the features ``dead`` (indices) at unit ``directions [n, d_in]`` (Bricken et al. 2023, resampling)."""
        self.W_dec[dead] = directions * self.W_dec.norm(dim=1).mean()
        self.W_enc[:, dead] = directions.T * (0.2 * self.W_enc.norm(dim=0).mean())
        self.b_enc[dead] = 0

    @torch.no_grad()
    def folded(self, normalisation: Normalisation) -> Self:
        """Return the SAE that does on raw vectors what this one does on normalised ones.

        Features come out in the raw vectors' units: divided by the scale, as are biases and thresholds.
        """
        mean, scale = normalisation.mean.to(self.b_dec), normalisation.scale
        other = copy.deepcopy(self)
        other.b_enc.copy_(self.b_enc / scale - mean @ self.W_enc)
        other.b_dec.copy_(self.b_dec / scale + mean)
        if other.threshold is not None:
            other.threshold.div_(scale)
        return other

    @torch.no_grad()
    def rescale(self, gain: float) -> None:
        """Multiply what is decoded by ``gain``, before the first step; here by making features larger."""
        self.W_enc.mul_(gain)
        if self.threshold is not None:
            self.threshold.mul_(gain)

    def check_width(self, x: Tensor) -> None:
        """Raise ``SAEError`` unless ``x`` is ``[..., d_in]``."""
        if x.ndim == 0 or x.shape[-1] != self.config.d_in:
            raise SAEError(f"this SAE reads vectors of d_in {self.config.d_in}; got shape {tuple(x.shape)}")

    def require(self, source: Source) -> None:
        """Raise ``SourceError`` unless this SAE was trained for tensors of ``source``."""
        if self.source is None:
            raise SourceError(
                f"{self.name} does not say what it was trained on; import it again with --dataset, or load it with "
                "source=Source(...) to vouch for it"
            )
        self.source.require(source, self.name)

    def _repr_html_(self) -> str:
        """Show what it is and what it was trained for, in a notebook."""
        source = self.source
        trained = "not said" if source is None else f"{source.hook_point} of {source.model_id}"
        settings = {name: value for name, value in asdict(self.config).items() if value is not None}
        return facts_html(self.name, {**settings, "trained on": trained, "sha256": self.sha256})

    @property
    def name(self) -> str:
        """What messages call it, such as "topk SAE of 2048 features"."""
        return f"{self.config.architecture} SAE of {self.config.d_sae} features"

    @property
    def sha256(self) -> str:
        """Hex digest over the names, shapes and values of all weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def build(config: SAEConfig, source: Source | None = None) -> SAE:
    """Make an SAE with starting weights. Raises ``SAEError`` that lists the architectures when there is no such one.

    Installed packages add architectures by entry points of the group ``harness.architectures``.
    """
    known = {entry.name: entry.value for entry in entry_points(group="harness.architectures")} | ARCHITECTURES
    if config.architecture not in known:
        raise SAEError(f"unknown SAE architecture {config.architecture!r}. Known: {', '.join(sorted(known))}")
    sae = pkgutil.resolve_name(known[config.architecture])(config, source)
    if not isinstance(sae, SAE):
        raise SAEError(f"{known[config.architecture]} is not an SAE")
    return sae


def squared_error(residual: Tensor) -> Tensor:
    """Mean over vectors of the squared error summed over channels."""
    return residual.square().sum(-1).mean()
