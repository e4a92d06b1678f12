"""What the papers report, as far as it is known here; nothing is filled in where it is not."""

from __future__ import annotations

from collections.abc import Mapping

Range = tuple[float, float]

PAEK: Mapping[str, Mapping[str, Range]] = {
    "diffrhythm-vae": {"pitch": (0.75, 0.87), "amplitude": (0.17, 0.40), "timbre": (0.17, 0.35)},
    "wavtokenizer": {"pitch": (0.75, 0.82), "amplitude": (0.17, 0.30), "timbre": (0.17, 0.25)},
    "encodec": {"pitch": (0.78, 0.87), "amplitude": (0.56, 0.63), "timbre": (0.30, 0.46)},
}
"""Codec -> property -> lowest and highest accuracy over the sparsities of arXiv 2510.23802."""
PAEK_EMERGENCE: Mapping[str, str] = {"pitch": "near step 21", "timbre": "near step 25", "loudness": "last"}
"""Property -> when it converges in DiffRhythm, over 500 prompts of 32 steps (arXiv 2510.23802)."""

MARIOTTE: Mapping[tuple[str, int], str] = {
    ("hubert", 3): "0.73",
    ("wavlm", 1): "0.725",
    ("hubert", 12): "0.55–0.60",
    ("wavlm", 12): "0.55–0.60",
}
"""Encoder and layer -> accuracy for VocalSet's techniques (arXiv 2509.24793). Quoted from a public reading note on the
paper, not checked against the paper itself."""


def as_range(values: Range | None) -> str:
    """Write a range, or a dash for what is not known."""
    return "–" if values is None else f"{values[0]:.2f}–{values[1]:.2f}"
