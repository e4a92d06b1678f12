"""The fast path of sparse training: what is zero is neither decoded nor differentiated.

With k = 32 of 2048 features active, all but a sixty-fourth of the dense decode and of the two dense weight gradients
multiplies zeros. What remains is one dense product, the pre-activations, and finding the largest k in each row. Here:

- Pre-activations are made for ``_CPU_BLOCK_ROWS`` rows at a time, so that they stay in the processor's cache, and are
  dropped as soon as their largest k have been found. The whole ``[B, d_sae]`` array never exists.
- The largest k are found through the maxima of groups of features (``_top_k_indices``).
- What was selected is a ``Support``: a list of (row, feature) entries that can be read by row and by feature. Decoding
  sums dictionary rows over each row's entries; a weight gradient sums data rows over each feature's entries. Both are
  ``embedding_bag``, and only the gradient by feature needs an ``autograd.Function``: torch's own builds it more slowly.

Shape letters: B rows, F = d_sae features, E entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

_CPU_BLOCK_ROWS = 256
"""Rows whose pre-activations are held at once on the CPU: 2 MB of them for 2048 features."""
_DEVICE_BLOCK_ROWS = 16384
"""The same on other devices, where only memory sets a limit."""


class Support:
    """Which features may be active in which rows: E entries, ordered by row."""

    def __init__(self, rows: Tensor, features: Tensor, n_rows: int, d_sae: int) -> None:
        self.rows = rows
        """``[E]`` int64, ascending."""
        self.features = features
        """``[E]`` int64."""
        self.n_rows = n_rows
        self.d_sae = d_sae

    @classmethod
    def rectangular(cls, indices: Tensor, d_sae: int) -> Support:
        """Make the support of rows with equally many entries each, ``indices [B, k]``."""
        rows = torch.arange(len(indices), device=indices.device).repeat_interleave(indices.shape[1])
        return cls(rows, indices.reshape(-1), len(indices), d_sae)

    @cached_property
    def row_starts(self) -> Tensor:
        """``[B]``: first entry of each row."""
        return _starts(self.rows, self.n_rows)

    @cached_property
    def feature_starts(self) -> Tensor:
        """``[F]``: first entry of each feature, in ``by_feature`` order."""
        return _starts(self.features, self.d_sae)

    @cached_property
    def by_feature(self) -> Tensor:
        """``[E]``: the entries in order of feature, then row."""
        # Radix sort is for narrow integers: 16 bits sort three times as fast as 64.
        narrow = self.features.to(torch.int16) if self.d_sae <= 2**15 else self.features
        return narrow.argsort(stable=True)

    def sum_by_feature(self, values: Tensor, vectors: Tensor) -> Tensor:
        """Sum ``values [E] * vectors[row]`` over the entries of each feature: ``[F, d]`` for ``vectors [B, d]``."""
        rows, weights = self.rows[self.by_feature], values[self.by_feature]
        return embedding_bag(rows, vectors, self.feature_starts, mode="sum", per_sample_weights=weights)

    def count_active(self, values: Tensor) -> Tensor:
        """Count the rows in which each feature has a positive value: ``[F]`` int64 for ``values [E]``."""
        return torch.bincount(self.features[values > 0], minlength=self.d_sae)


def _starts(labels: Tensor, count: int) -> Tensor:
    sizes = torch.bincount(labels, minlength=count)
    return sizes.cumsum(0) - sizes


class Selection(NamedTuple):
    """Pre-activations worth keeping."""

    values: Tensor
    """``[E]``, without gradient; negative ones occur where fewer than k features are positive."""
    support: Support


@torch.no_grad()
def select_top_k(x: Tensor, W_enc: Tensor, b_enc: Tensor, k: int) -> Selection:
    """Find the k largest of ``x @ W_enc + b_enc`` in every row of ``x [B, d_in]``."""
    values, indices = [], []
    for pre in _pre_activation_blocks(x, W_enc, b_enc):
        chosen = _top_k_indices(pre, k)
        values.append(pre.gather(1, chosen))
        indices.append(chosen)
    return Selection(torch.cat(values).reshape(-1), Support.rectangular(torch.cat(indices), W_enc.shape[1]))


@torch.no_grad()
def select_batch_top_k(x: Tensor, W_enc: Tensor, b_enc: Tensor, k: int) -> Selection:
    """Find the B * k largest positive of ``x @ W_enc + b_enc`` over all rows of ``x`` together (fewer if too few)."""
    pre = torch.cat([block.clone() for block in _pre_activation_blocks(x, W_enc, b_enc)])
    wanted = len(x) * k
    # Sorting out all B * F values is slow. A sample tells a level that surely leaves enough, and few more than that.
    sample = pre.flatten()[::61]
    spared = min(2 * wanted // 61 + 64, len(sample))
    level = sample.topk(spared, sorted=False).values.min().clamp(min=0)
    rows, features = (pre > level).nonzero(as_tuple=True)
    if len(rows) < wanted and level > 0:
        rows, features = (pre > 0).nonzero(as_tuple=True)
    values = pre[rows, features]
    if len(rows) > wanted:
        kept = values.topk(wanted, sorted=False).indices.sort().values
        rows, features, values = rows[kept], features[kept], values[kept]
    return Selection(values, Support(rows, features, len(x), W_enc.shape[1]))


def _pre_activation_blocks(x: Tensor, W_enc: Tensor, b_enc: Tensor) -> Iterator[Tensor]:
    """Yield ``x @ W_enc + b_enc`` block by block, each valid until the next is asked for; bf16 inside autocast."""
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    size = min(len(x), _CPU_BLOCK_ROWS if device == "cpu" else _DEVICE_BLOCK_ROWS)
    bias, weights = b_enc.to(dtype), W_enc.to(dtype)
    # Filled anew for every block: a fresh one would cost as much as the product itself.
    buffer = x.new_empty(size, len(b_enc), dtype=dtype)
    for rows in torch.split(x.to(dtype), max(size, 1)):
        yield torch.addmm(bias, rows, weights, out=buffer[: len(rows)]).to(x.dtype)


def _top_k_indices(pre: Tensor, k: int) -> Tensor:
    """Find the indices ``[n, k]`` of the k largest entries in each row of ``pre [n, F]``, in no order.

    No group of features can hold one of the k largest unless its maximum is among the k largest maxima (ties aside,
    which are equal values). So two searches among about sqrt(k * F) numbers replace one among F.
    """
    n, width = pre.shape
    size = round(math.sqrt(width / k))
    if pre.device.type != "cpu" or size < 4:
        return pre.topk(k, sorted=False).indices
    groups = width // size
    grouped = groups * size
    winners = _partition(pre[:, :grouped].view(n, size, groups).amax(1), k)
    members = torch.arange(0, grouped, groups)[:, None]
    candidates = (winners[:, None, :] + members).flatten(1)
    if grouped < width:
        candidates = torch.cat([candidates, torch.arange(grouped, width).expand(n, -1)], 1)
    return candidates.gather(1, _partition(pre.gather(1, candidates), k))


def _partition(values: Tensor, k: int) -> Tensor:
    """Do ``topk(k).indices`` for short rows; numpy's vectorised partition is twice as fast as torch's there."""
    return torch.from_numpy(np.argpartition(values.numpy(), -k, axis=1)[:, -k:])


def encode_at(x: Tensor, W_enc: Tensor, b_enc: Tensor, selection: Selection) -> Tensor:
    """Give the selected pre-activations ``[E]`` their gradient with respect to ``x``, ``W_enc`` and ``b_enc``."""
    values: Tensor = _EncodeAt.apply(x, W_enc, b_enc, selection.values, selection.support)  # type: ignore[no-untyped-call]
    return values


def decode_at(values: Tensor, W_dec: Tensor, support: Support) -> Tensor:
    """Sum ``values [E] * W_dec[feature]`` over each row: ``[B, d_in]``, differentiable in values and ``W_dec``."""
    # Gradients of the values come from embedding_bag, that of W_dec from _DecoderGradient.
    decoded = embedding_bag(support.features, W_dec.detach(), support.row_starts, mode="sum", per_sample_weights=values)
    if not W_dec.requires_grad:
        return decoded
    attached: Tensor = _DecoderGradient.apply(decoded, W_dec, values.detach(), support)  # type: ignore[no-untyped-call]
    return attached


class _EncodeAt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, W_enc: Tensor, b_enc: Tensor, values: Tensor, support: Support) -> Tensor:
        ctx.save_for_backward(x, W_enc)
        ctx.support = support
        return values.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, W_enc = ctx.saved_tensors
        support: Support = ctx.support
        grad_x = grad_W = grad_b = None
        if ctx.needs_input_grad[0]:
            grad_x = embedding_bag(
                support.features, W_enc.T.contiguous(), support.row_starts, mode="sum", per_sample_weights=grad
            )
        if ctx.needs_input_grad[1]:
            grad_W = support.sum_by_feature(grad, x).T
        if ctx.needs_input_grad[2]:
            grad_b = torch.bincount(support.features, weights=grad, minlength=support.d_sae).to(grad.dtype)
        return grad_x, grad_W, grad_b, None, None


class _DecoderGradient(torch.autograd.Function):
    """The identity on what was decoded; its backward pass gives ``W_dec`` its share."""

    @staticmethod
    def forward(ctx: Any, decoded: Tensor, W_dec: Tensor, values: Tensor, support: Support) -> Tensor:
        ctx.save_for_backward(values)
        ctx.support = support
        return decoded.view_as(decoded)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (values,) = ctx.saved_tensors
        return grad, ctx.support.sum_by_feature(values, grad), None, None
