"""Residual vector quantisation: each codebook takes the row nearest to what the earlier ones left."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_FRAMES = 8192
"""Frames compared with a codebook at once."""


def quantise(latents: Tensor, codebooks: Tensor) -> Tensor:
    """Codes ``[B, K, T]``, int64, of latents ``[B, T, C]`` by codebooks ``[K, V, C]`` (squared Euclidean distance)."""
    residual = latents.reshape(-1, latents.shape[-1])
    codes = []
    for rows in codebooks:
        chosen = torch.cat([_nearest(block, rows) for block in torch.split(residual, BLOCK_FRAMES)])
        residual = residual - rows[chosen]
        codes.append(chosen.view(latents.shape[:2]))
    return torch.stack(codes, dim=1)


def dequantise(codes: Tensor, codebooks: Tensor) -> Tensor:
    """Sum of the chosen rows, ``[B, T, C]``, of codes ``[B, K, T]``; codebooks ``[>= K, V, C]``."""
    latents = codebooks[0][codes[:, 0]]
    for chosen, rows in zip(codes.unbind(1)[1:], codebooks[1:], strict=False):
        latents = latents + rows[chosen]
    return latents


def check_codes(codes: Tensor, counts: range, size: int) -> None:
    """Raise ``ValueError`` unless codes are integers ``[B, K, T >= 1]``, K in ``counts``, each below ``size``."""
    wanted = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if codes.dim() != 3 or not codes.shape[-1]:
        raise ValueError(f"codes have shape {tuple(codes.shape)}; give [batch, codebooks, frames >= 1]")
    if codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool:
        raise ValueError(f"codes are {codes.dtype}; give integers")
    if codes.shape[1] not in counts:
        raise ValueError(f"codes of {codes.shape[1]} codebooks were given; this codec reads {wanted} as it was loaded")
    if codes.numel() and not (codes.min() >= 0 and codes.max() < size):
        raise ValueError(f"codes reach from {codes.min()} to {codes.max()}; give 0 to {size - 1}")


def _nearest(vectors: Tensor, rows: Tensor) -> Tensor:
    """Index of the row ``[V, C]`` nearest to each vector ``[N, C]``; the sums are in the original's order."""
    columns = rows.t()
    squared = vectors.pow(2).sum(1, keepdim=True) - 2 * vectors @ columns + columns.pow(2).sum(0, keepdim=True)
    return (-squared).max(dim=-1).indices
