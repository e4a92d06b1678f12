"""Probe files: ``NAME.json`` says what the probe is, ``NAME.safetensors`` holds ``weights`` and ``bias``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from analysis.files import replace_file
from analysis.probes.probe import Probe, ProbeInfo
from analysis.properties.bins import Bins
from analysis.source import Source

FORMAT = "audio-diffusion-harness probe"
VERSION = 1


class ProbeFileError(ValueError):
    """A probe file is missing, damaged, foreign or too new; the message names the file and the fault."""


def save_probe(probe: Probe, directory: str | Path, name: str | None = None) -> Path:
    """Write both files (``name`` defaults to the property's) and return the path of the JSON one.

    Each is written beside its place and renamed, the JSON last: a reader never sees half a probe.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    stem = name or probe.info.property
    tensors = save({"weights": probe.weights.contiguous(), "bias": probe.bias.contiguous()})
    described = asdict(probe.info) | {"bins": probe.info.bins and asdict(probe.info.bins)}
    record = {"format": FORMAT, "version": VERSION, "tensors_sha256": _sha256(tensors), **described}
    replace_file(folder / f"{stem}.safetensors", tensors)
    replace_file(folder / f"{stem}.json", json.dumps(record, indent=1, allow_nan=False).encode())
    return folder / f"{stem}.json"


def load_probe(path: str | Path) -> Probe:
    """Read a probe from the path of its JSON file. Raises ``ProbeFileError``."""
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProbeFileError(f"{path}: no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ProbeFileError(f"{path}: not JSON ({error})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ProbeFileError(f"{path}: not a probe (its 'format' is not {FORMAT!r})")
    if record.get("version") != VERSION:
        raise ProbeFileError(f"{path}: probe format {record.get('version')}; this version reads {VERSION}")
    weights = path.with_suffix(".safetensors")
    try:
        tensors = weights.read_bytes()
    except FileNotFoundError:
        raise ProbeFileError(f"{weights}: no such file; it belongs to {path.name}") from None
    if _sha256(tensors) != record.get("tensors_sha256"):
        raise ProbeFileError(f"{weights}: not the weights that {path.name} was written with; copy both files together")
    try:
        return Probe(_info(record), **load(tensors))
    except (KeyError, TypeError, ValueError) as error:
        raise ProbeFileError(f"{path}: unusable ({error})") from None


def _info(record: dict[str, Any]) -> ProbeInfo:
    bins = record["bins"]
    return ProbeInfo(
        property=record["property"],
        unit=record["unit"],
        tolerance=record["tolerance"],
        bins=bins and Bins(tuple(bins["edges"]), bins["open_ended"]),
        source=Source.from_json(record["source"]),
        encoder_sha256=record["encoder_sha256"],
        times=tuple(record["times"]),
        training=record["training"],
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
