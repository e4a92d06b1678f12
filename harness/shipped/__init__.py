"""What comes trained with the package: for a codec, an SAE, its random control, and probes. Importing this is light.

One folder a codec, such as ``mini/``::

    source.json                     the tensors everything here was fitted on (``analysis.source.Source``)
    sae/, sae_random/               SAE folders
    probes/latents/PROPERTY.json    probes on features of ``sae``, fitted on clean latents
    probes/x_t/PROPERTY.json        noise-aware probes on the state itself (no SAE), one set of weights per t
    probes/x1_hat/PROPERTY.json     the same on the clean estimate
    moves/moves.safetensors         what changes one property and holds the others (``analysis.moves``)

Every file names the codec and its weights and refuses others; what is here is only found for exactly its own codec.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

FittedOn = Literal["latents", "x_t", "x1_hat"]

HOME = Path(__file__).parent


def find_sae(codec_id: str, weights_sha256: str, *, control: bool = False) -> Path | None:
    """Folder of the shipped SAE of a codec, or of its random ``control``; None when there is none for these weights."""
    folder = _folder(codec_id, weights_sha256)
    found = folder and folder / ("sae_random" if control else "sae")
    return found if found and found.is_dir() else None


def find_probes(codec_id: str, weights_sha256: str, fitted_on: FittedOn = "latents") -> dict[str, Path]:
    """Shipped probes of a codec: property -> path for ``analysis.probes.load_probe``; empty when there are none.

    Those fitted on ``latents`` read features of ``find_sae``; the others are noise-aware and read the tensor itself.
    """
    folder = _folder(codec_id, weights_sha256)
    paths = sorted((folder / "probes" / fitted_on).glob("*.json")) if folder else []
    return {path.stem: path for path in paths}


def find_moves(codec_id: str, weights_sha256: str) -> Path | None:
    """Shipped moves of a codec's latents, or None."""
    folder = _folder(codec_id, weights_sha256)
    found = folder and folder / "moves" / "moves.safetensors"
    return found if found and found.is_file() else None


def _folder(codec_id: str, weights_sha256: str) -> Path | None:
    for path in sorted(HOME.glob("*/source.json")):
        source = json.loads(path.read_text(encoding="utf-8"))
        if (source["model_id"], source["weights_sha256"]) == (codec_id, weights_sha256):
            return path.parent
    return None
