"""The native folder: SAELens's ``cfg.json`` and ``sae_weights.safetensors``, with our own facts under ``metadata``.

SAELens itself reads standard, topk, jumprelu and random (as topk), and batch_topk and matryoshka as the jumprelu they
are after training. It has nothing like rms.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from analysis.sae.base import SAE
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats.parts import (
    filled,
    plain_bias,
    read_json,
    read_safetensors,
    safetensors_bytes,
    setting,
    write_folder,
)
from analysis.source import Source

CONFIG_NAME = "cfg.json"
WEIGHTS_NAME = "sae_weights.safetensors"
_OURS = "audio_diffusion_harness"
_VERSION = 1
_LAYOUT = "6.0.0"
"""Version of SAELens whose layout this is; without it, theirs takes the folder for an older one."""
_READ_AS = {"random": "topk", "batch_topk": "jumprelu", "matryoshka": "jumprelu"}
"""Architectures SAELens knows under another name, or computes in the same way."""


def save(sae: SAE, directory: str | Path, training: Mapping[str, Any] | None = None) -> None:
    """Write an SAE; ``training`` is any JSON-ready record of how it came about. Both files replace older ones."""
    config = sae.config
    cfg: dict[str, Any] = {
        "architecture": _READ_AS.get(config.architecture, config.architecture),
        "d_in": config.d_in,
        "d_sae": config.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": _LAYOUT,
            "model_name": sae.source and sae.source.model_id,
            "hook_name": sae.source and sae.source.hook_point,
            _OURS: {
                "version": _VERSION,
                "config": config.to_json(),
                "source": sae.source and sae.source.to_json(),
                "training": dict(training or {}),
            },
        },
    }
    if cfg["architecture"] == "topk":
        cfg |= {"k": config.k, "rescale_acts_by_decoder_norm": False}
    weights = {name: tensor.float() for name, tensor in sae.state_dict().items()}
    if "threshold" in weights:
        weights["threshold"] = weights["threshold"].relu()
    write_folder(Path(directory), WEIGHTS_NAME, safetensors_bytes(weights), CONFIG_NAME, cfg)


def load(directory: str | Path, source: Source | None = None) -> SAE:
    """Read an SAE that ``save`` or SAELens wrote; ``source`` vouches for one that does not say what it was trained on.

    Raises ``SAEError`` naming the file, the field and what would be readable.
    """
    path = Path(directory) / CONFIG_NAME
    cfg = read_json(path)
    weights_path = Path(directory) / WEIGHTS_NAME
    ours = (cfg.get("metadata") or {}).get(_OURS)
    if ours is None:
        return _load_foreign(cfg, read_safetensors(weights_path), path, source)
    if ours.get("version") != _VERSION:
        raise SAEError(f"{path} is of version {ours.get('version')}; this program reads {_VERSION}: update it")
    recorded = setting(ours, "source", path)
    return filled(
        SAEConfig.from_json(setting(ours, "config", path)),
        read_safetensors(weights_path),
        weights_path,
        Source.from_json(recorded) if recorded is not None else source,
    )


def _load_foreign(cfg: dict[str, Any], weights: dict[str, Tensor], path: Path, source: Source | None) -> SAE:
    architecture = setting(cfg, "architecture", path)
    if architecture not in ("standard", "topk", "jumprelu"):
        raise SAEError(f"{path} has architecture {architecture!r}; readable are standard, topk and jumprelu")
    for name in ("normalize_activations", "reshape_activations"):
        if cfg.get(name, "none") != "none":
            raise SAEError(f"{path} has {name} {cfg[name]!r}; readable is only 'none': fold it into the weights first")
    config = SAEConfig(
        architecture=architecture,
        d_in=setting(cfg, "d_in", path),
        d_sae=setting(cfg, "d_sae", path),
        # A saved jumprelu no longer says what it aimed at; k only matters in training.
        k={"topk": cfg.get("k"), "jumprelu": 1}.get(architecture),
        sparsity=0.0 if architecture == "standard" else None,
    )
    if (
        architecture == "topk"
        and cfg.get("rescale_acts_by_decoder_norm")
        and {"W_enc", "b_enc", "W_dec"} <= set(weights)
    ):
        norms = weights["W_dec"].norm(dim=1)
        weights["W_enc"] = weights["W_enc"] * norms
        weights["b_enc"] = weights["b_enc"] * norms
        weights["W_dec"] = weights["W_dec"] / norms[:, None]
    sae = filled(config, weights, path, source)
    if cfg.get("apply_b_dec_to_input", True):
        sae.b_enc.data = plain_bias(sae.b_enc, sae.b_dec, sae.W_enc)
    return sae
