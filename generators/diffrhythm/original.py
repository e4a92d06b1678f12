"""DiffRhythm's files in the form they are published in: where each is in a folder, and what their place tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from generators.base import CheckpointError
from generators.codecs.base import Codec
from generators.diffrhythm.checkpoint import WEIGHTS_FILES
from generators.diffrhythm.load import load_transformer
from generators.diffrhythm.style import NEGATIVE_STYLE, read_vector
from generators.diffrhythm.transformer import AttentionKind, DiffRhythmTransformer
from generators.published import DEFAULTS, PUBLISHED, licences_of, named_in

VAE_FILE = "vae_model.pt"
VAE_PLACES = (VAE_FILE, f"vae/{VAE_FILE}", f"DiffRhythm-vae/{VAE_FILE}")
"""Where the autoencoder is looked for in a folder of weights."""
NEGATIVE_STYLES = ("negative_style.safetensors", "vocal.npy", "infer/example/vocal.npy")
"""Names of the constant negative style: ours, that of the original code, and where it lies there."""


@dataclass(frozen=True)
class Original:
    """A published DiffRhythm, loaded."""

    transformer: DiffRhythmTransformer
    codec: Codec
    negative_style: Tensor | None
    """Style of the unconditional branch ``[K]``, where its file was found."""
    remarks: tuple[str, ...]
    """What a user should know about how the weights were taken."""
    licences: Mapping[str, str]
    """Repository -> licence of it and of what it is used with."""


def load_original(
    directory: Path,
    *,
    device: str,
    dtype: torch.dtype,
    attention: AttentionKind | None = None,
    max_frames: int | None = None,
    vae: str | Path | None = None,
) -> Original:
    """Load a folder with ``cfm_model.pt`` and, there or at ``vae``, ``vae_model.pt``.

    ``attention`` and ``max_frames``, which no weights tell, come from the name of the repository, if the path holds it
    (a folder called like it, or the hub's cache); else they are those of v1.2 base. Arguments come before both.

    Raises
    ------
    CheckpointError
        Names the file that is missing or does not fit.
    """
    from generators.codecs.diffrhythm_vae import DiffRhythmVae

    network_file = _first(directory, WEIGHTS_FILES)
    if network_file is None:
        raise CheckpointError(f"{directory}: holds no DiffRhythm weights; looked for {', '.join(WEIGHTS_FILES)}")
    vae_file = _vae_file(directory, vae)
    if max_frames is not None and (type(max_frames) is not int or max_frames < 1):
        raise CheckpointError(f"max_frames is {max_frames!r}; give 2048 (base models) or 6144 (full-length models)")
    name = published_id(directory)
    known = PUBLISHED[name or DEFAULTS["diffrhythm"]].settings
    transformer = load_transformer(
        network_file,
        max_frames=max_frames or known["max_frames"],
        attention=attention or known["attention"],
        dtype=dtype,
    )
    transformer.to(device)  # type: ignore[arg-type]
    negative = _first(directory, NEGATIVE_STYLES)
    return Original(
        transformer,
        DiffRhythmVae.from_pretrained(vae_file, device=device),
        None if negative is None else read_vector(negative, NEGATIVE_STYLE, transformer.config["cond_dim"]),
        _remarks(name, attention, known["attention"]),
        licences_of(name or DEFAULTS["diffrhythm"]),
    )


def _vae_file(directory: Path, vae: str | Path | None) -> Path:
    if vae is not None and not Path(vae).is_dir():
        return Path(vae)
    place = directory if vae is None else Path(vae)
    found = _first(place, VAE_PLACES)
    if found is None:
        raise CheckpointError(
            f"{place}: holds no autoencoder; looked for {', '.join(VAE_PLACES)} (it is published apart, as "
            "ASLP-lab/DiffRhythm-vae)"
        )
    return found


def _remarks(name: str | None, attention: AttentionKind | None, known: str) -> tuple[str, ...]:
    """Say on what the kind of attention rests, where it may be the wrong one."""
    if name is None and attention is None:
        return (
            f"nothing tells which version these weights are: taken as v1.2 ({known} attention); for v1.0 give "
            "--load attention=causal",
        )
    if name is not None and attention not in (None, known):
        return (f"{name} was trained with {known} attention; it ran with {attention} attention, which it never saw",)
    return ()


def published_id(directory: Path) -> str | None:
    """Return the DiffRhythm that a folder's path names, as downloads are called; None when it tells nothing."""
    name = named_in(directory.absolute().parts)
    return name if name is not None and PUBLISHED[name].generator == "diffrhythm" else None


def _first(directory: Path, names: tuple[str, ...]) -> Path | None:
    return next((directory / name for name in names if (directory / name).is_file()), None)
