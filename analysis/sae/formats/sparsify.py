"""Folders of the sparsify library: ``cfg.json`` and ``sae.safetensors``; top-k SAEs only."""

from __future__ import annotations

from pathlib import Path

from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats.parts import (
    centred_bias,
    filled,
    plain_bias,
    read_json,
    read_safetensors,
    safetensors_bytes,
    setting,
    take,
    write_folder,
)
from analysis.source import Source

_NAMES = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "W_dec", "b_dec": "b_dec"}
_READABLE = {"activation": "topk", "skip_connection": False, "transcode": False}


def save(sae: SAE, directory: str | Path) -> None:
    """Write ``cfg.json`` and ``sae.safetensors``. Raises ``SAEError`` for architectures the format cannot express."""
    config = sae.config
    if config.architecture not in ("topk", "random"):
        raise SAEError(
            f"sparsify keeps exactly k features per vector, so it can take topk and random, not {config.architecture}"
            + (
                "; besides, rms codes are divided by their own norm, which it cannot express"
                * (config.architecture == "rms")
            )
        )
    b_enc = centred_bias(sae.b_enc, sae.b_dec, sae.W_enc)
    tensors = {"encoder.weight": sae.W_enc.T, "encoder.bias": b_enc, "W_dec": sae.W_dec, "b_dec": sae.b_dec}
    cfg = _READABLE | {
        "expansion_factor": max(config.d_sae // config.d_in, 1),
        "normalize_decoder": sae.unit_norm,
        "num_latents": config.d_sae,
        "k": config.k,
        "multi_topk": False,
        "d_in": config.d_in,
    }
    write_folder(Path(directory), "sae.safetensors", safetensors_bytes(tensors), "cfg.json", cfg)


def load(directory: str | Path, source: Source | None = None) -> SAE:
    """Read a folder of theirs. Raises ``SAEError`` naming the file, the field and what would be readable."""
    config_path, path = Path(directory) / "cfg.json", Path(directory) / "sae.safetensors"
    cfg = read_json(config_path)
    for name, readable in _READABLE.items():
        if cfg.get(name, readable) != readable:
            raise SAEError(f"{config_path} has {name} {cfg[name]!r}; readable is only {readable!r}")
    weights = take(read_safetensors(path), _NAMES, path)
    weights["W_enc"] = weights["W_enc"].T.contiguous()
    weights["b_enc"] = plain_bias(weights["b_enc"], weights["b_dec"], weights["W_enc"])
    d_sae = cfg.get("num_latents") or setting(cfg, "expansion_factor", config_path) * setting(cfg, "d_in", config_path)
    config = SAEConfig("topk", setting(cfg, "d_in", config_path), d_sae, k=setting(cfg, "k", config_path))
    return filled(config, weights, path, source)
