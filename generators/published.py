"""Models that others have published: where their files are, what they are called, under which licence. Data only.

Nothing here is bundled. The importing of this module is light, and no other reads the network: ``harness models fetch``
puts files into the hub's ordinary cache, from where they are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Licence:
    """Terms that come with weights, in a sentence; the text on the model's own page is what counts."""

    name: str
    open_source: bool
    """Whether it is an open-source licence: any use is allowed, also a commercial one."""
    terms: str
    """What it means for a user."""


LICENCES: dict[str, Licence] = {
    "apache-2.0": Licence("Apache-2.0", True, "any use, with the notices kept"),
    "mit": Licence("MIT", True, "any use, with the notice kept"),
    "cc-by-nc-4.0": Licence("CC BY-NC 4.0", False, "no commercial use; name the authors"),
    "stability-community": Licence(
        "Stability AI Community License",
        False,
        "commercial use only below the yearly revenue it names, and after registering; it has an acceptable-use policy",
    ),
}
"""Keys are what ``Published.licence`` holds."""


@dataclass(frozen=True)
class Published:
    """One repository of the model hub."""

    what: str
    """What it is, in a few words."""
    licence: str
    """Key of ``LICENCES``."""
    files: tuple[str, ...]
    """Names, or patterns, of the files that are needed; each stands for at least one file."""
    size_bytes: int
    """About what they weigh together."""
    generator: str | None = None
    """Registered generator that loads it; None for a part of other models."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What no weights tell; the generator looks it up by the repository's name in the path."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Repositories it cannot do without; the name is the keyword argument that takes their folder."""
    companions: tuple[str, ...] = ()
    """Repositories that a part of what it does needs, and finds in the cache by itself."""


def _diffrhythm(what: str, attention: str, max_frames: int) -> Published:
    return Published(
        what,
        "apache-2.0",
        ("cfm_model.pt",),
        2_220_000_000,
        generator="diffrhythm",
        settings={"attention": attention, "max_frames": max_frames},
        parts={"vae": "ASLP-lab/DiffRhythm-vae"},
        companions=("OpenMuQ/MuQ-MuLan-large",),
    )


PUBLISHED: dict[str, Published] = {
    "ASLP-lab/DiffRhythm-1_2": _diffrhythm("DiffRhythm v1.2, songs of 95 s", "bidirectional", 2048),
    "ASLP-lab/DiffRhythm-1_2-full": _diffrhythm("DiffRhythm v1.2, songs of 96 to 285 s", "bidirectional", 6144),
    "ASLP-lab/DiffRhythm-base": _diffrhythm("DiffRhythm v1.0, songs of 95 s", "causal", 2048),
    "ASLP-lab/DiffRhythm-full": _diffrhythm("DiffRhythm v1.0, songs of 285 s", "causal", 6144),
    "ASLP-lab/DiffRhythm-vae": Published(
        "DiffRhythm's autoencoder, every version", "stability-community", ("vae_model.pt",), 625_000_000
    ),
    "OpenMuQ/MuQ-MuLan-large": Published(
        "MuQ-MuLan: style from text or audio",
        "cc-by-nc-4.0",
        ("config.json", "*model.[bs]*"),
        2_600_000_000,
        companions=("OpenMuQ/MuQ-large-msd-iter", "xlm-roberta-base"),
    ),
    "OpenMuQ/MuQ-large-msd-iter": Published(
        "MuQ: the audio half of MuQ-MuLan", "cc-by-nc-4.0", ("config.json", "*model.[bs]*"), 1_300_000_000
    ),
    "xlm-roberta-base": Published(
        "XLM-RoBERTa: the text half of MuQ-MuLan",
        "mit",
        ("config.json", "model.safetensors", "sentencepiece.bpe.model", "tokenizer.json", "tokenizer_config.json"),
        1_130_000_000,
    ),
}
"""Hub id -> what is known of it; a new row is all that ``harness models`` needs."""

PUBLISHED_FILES: dict[str, str] = {"cfm_model.pt": "diffrhythm"}
"""File by which a folder is known without a ``generator.json`` -> the registered generator that loads it."""

DEFAULTS: dict[str, str] = {"diffrhythm": "ASLP-lab/DiffRhythm-1_2"}
"""Registered generator -> the published model it stands for when no weights are named."""


def used_with(name: str) -> tuple[str, ...]:
    """Return ``name`` and every repository it is used with, each once."""
    found = [name]
    for one in found:
        entry = PUBLISHED[one]
        found += [other for other in (*entry.parts.values(), *entry.companions) if other not in found]
    return tuple(found)


def licences_of(name: str) -> dict[str, str]:
    """Map ``name`` and every repository it is used with to its licence in words."""
    return {one: LICENCES[PUBLISHED[one].licence].name for one in used_with(name)}


def named_in(path_parts: tuple[str, ...]) -> str | None:
    """Return the published model that a path tells of: a folder named like it, or of the hub's cache; else None."""
    for name in PUBLISHED:
        if {name.rpartition("/")[2], "models--" + name.replace("/", "--")} & set(path_parts):
            return name
    return None
