"""The SAE and the probes that decode a codec's latents: the shipped ones or a user's, refused where they do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.emergence import View
from analysis.moves.moves import Moves
from analysis.moves.storage import load_moves
from analysis.probes import DenseFeatures, Features, Probe, SparseFeatures, load_probe
from analysis.properties import PROPERTIES
from analysis.sae.base import SAE
from analysis.sae.config import SAEError
from analysis.sae.formats import saelens
from analysis.source import LATENT_POINTS, Source, SourceError
from generators.codecs.base import Codec
from harness import shipped
from harness.errors import InputError
from harness.store.reader import Trace

VIEWS: tuple[View, ...] = ("x1_hat", "x_t")
CLEAN, NOISE_AWARE = "clean", "noise-aware"


class FrameFeatures(NamedTuple):
    """The same frames in both forms that probes read."""

    raw: Features
    """The latents themselves."""
    coded: Features | None
    """Features of the SAE, where there is one."""

    def of(self, probe: Probe) -> Features:
        """Choose what ``probe`` was fitted on."""
        return self.raw if probe.info.encoder_sha256 is None or self.coded is None else self.coded


@dataclass(frozen=True)
class Artifacts:
    """What decodes the latents of one codec."""

    sae: SAE | None
    """Makes the features; None where all probes read the latents themselves."""
    probes: Mapping[str, Probe]
    """Property -> probe fitted on clean latents, used on both views."""
    aware: Mapping[View, Mapping[str, Probe]]
    """View -> property -> probe fitted on that view at several t, compared with the clean-trained one."""
    moves: Moves | None = None
    """What changes one property of these latents and holds the others, where such was fitted."""
    hidden: Mapping[str, SAE] = field(default_factory=dict)
    """Hidden layer of the generator -> SAE of its states, whose features can be edited there."""

    def read(self, vectors: NDArray[np.float32]) -> FrameFeatures:
        """Turn latents ``[T, d_in]`` into what the probes read."""
        x = torch.from_numpy(vectors)
        raw = DenseFeatures(x)
        if self.sae is None:
            return FrameFeatures(raw, None)
        code = self.sae.encode_sparse(x)
        return FrameFeatures(raw, SparseFeatures(code.indices, code.values, self.sae.config.d_sae))

    def describe(self) -> dict[str, Any]:
        """Say what decoded, as JSON-ready values."""
        sae = self.sae and {
            "architecture": self.sae.config.architecture,
            "d_sae": self.sae.config.d_sae,
            "sha256": self.sae.sha256,
        }
        return {"sae": sae, "properties": list(self.probes), "noise_aware": {v: list(p) for v, p in self.aware.items()}}


def latent_source(codec: Codec) -> Source:
    """Say which latents a codec makes."""
    return Source(codec.id, codec.weights_sha256, "latents", codec.latent_channels)


def latents_of(trace: Trace) -> Source:
    """Say which latents a trace holds."""
    return Source(trace.codec_id, trace.metadata["codec_weights_sha256"], "latents", trace.x_t.shape[-1])


def shipped_artifacts(source: Source) -> Artifacts | None:
    """Load what is shipped for a codec's latents, or None."""
    identity = source.model_id, source.weights_sha256
    points: tuple[shipped.FittedOn, ...] = ("latents", *VIEWS)
    paths = [path for point in points for path in shipped.find_probes(*identity, point).values()]
    if not paths:
        return None
    moves = shipped.find_moves(*identity)
    return replace(
        _load(source, shipped.find_sae(*identity), paths), moves=None if moves is None else load_moves(moves)
    )


def require_shipped(source: Source) -> Artifacts:
    """Load what is shipped for a codec's latents. Raises ``InputError`` that says how to make it, if nothing is."""
    found = shipped_artifacts(source)
    if found is None:
        raise InputError(
            f"no SAE and probes are shipped for the codec {source.model_id!r} with weights "
            f"{source.weights_sha256[:12]}; make some with 'harness dataset build', 'harness train-sae' and "
            "'harness train-probes', then give them by --sae DIR --probes DIR"
        )
    return found


def read_artifacts(source: Source, probes: Path, sae: Path | None = None) -> Artifacts:
    """Load probes from a folder, and the SAE they read from another.

    Raises
    ------
    InputError
        If a file is missing or damaged, or was fitted for other latents than ``source``; it names the file and field.
    """
    if not probes.is_dir():
        raise InputError(f"{probes} is not a folder; give the one that 'harness train-probes' wrote")
    paths = [path.with_suffix(".json") for path in sorted(probes.rglob("*.safetensors"))]
    if not any(path.is_file() for path in paths):
        raise InputError(
            f"{probes} holds no probes (NAME.json with NAME.safetensors); 'harness train-probes' writes them"
        )
    return _load(source, sae, paths)


def read_hidden_saes(folders: Iterable[Path]) -> dict[str, SAE]:
    """Load SAEs of hidden layers, by layer; whether they fit a generator is seen when they are used.

    Raises ``InputError`` for a damaged one, one of latents, and a second one of a layer.
    """
    found: dict[str, SAE] = {}
    for folder in folders:
        try:
            sae = saelens.load(folder)
        except (SAEError, SourceError) as error:
            raise InputError(f"{folder}: {error}") from error
        if sae.source is None or sae.source.hook_point in LATENT_POINTS:
            trained_on = "does not say which layer" if sae.source is None else f"reads {sae.source.hook_point!r}"
            raise InputError(
                f"{folder} holds no SAE of a hidden layer: it {trained_on}; an SAE of latents goes to --sae"
            )
        if sae.source.hook_point in found:
            raise InputError(f"{folder} is a second SAE of {sae.source.hook_point!r}; give one for a layer")
        found[sae.source.hook_point] = sae
    return found


def _load(source: Source, sae_folder: Path | None, probe_paths: Iterable[Path]) -> Artifacts:
    sae = None if sae_folder is None else _load_sae(source, sae_folder)
    clean: dict[str, Probe] = {}
    aware: dict[View, dict[str, Probe]] = {view: {} for view in VIEWS}
    for path in probe_paths:
        probe = _load_probe(source, path, sae)
        if probe.info.bins is None:
            continue  # a regression: it gives no class probabilities
        point = probe.info.source.hook_point
        group = clean if point == "latents" else aware["x_t" if point == "x_t" else "x1_hat"]
        if probe.info.property in group:
            raise InputError(f"{path} is a second probe of {probe.info.property} on {point}; keep one of them there")
        group[probe.info.property] = probe
    if not clean:
        raise InputError("none of the probes is a classifier fitted on clean latents (hook point 'latents'); fit one")
    for view, group in aware.items():
        for name, probe in group.items():
            if name in clean and probe.info.bins != clean[name].info.bins:
                raise InputError(
                    f"the {name} probe of {view} has other classes than the one of clean latents, so their decodes "
                    "cannot be compared; fit it with 'harness train-probes --classes-of DIR' of the clean ones"
                )
    order = [*PROPERTIES, *clean]  # the table's, then what it does not know
    return Artifacts(sae, dict(sorted(clean.items(), key=lambda item: order.index(item[0]))), aware)


def _load_sae(source: Source, folder: Path) -> SAE:
    try:
        sae = saelens.load(folder)
        _require_latents(sae.source)
        for view in VIEWS:
            sae.require(replace(source, hook_point=view))
    except (SAEError, SourceError) as error:
        raise InputError(_about(folder, error)) from error
    return sae


def _load_probe(source: Source, path: Path, sae: SAE | None) -> Probe:
    try:
        probe = load_probe(path)
        fitted_on = probe.info.source
        _require_latents(fitted_on)
        given = replace(source, hook_point="x_t" if fitted_on.hook_point == "latents" else fitted_on.hook_point)
        reads_features = probe.info.encoder_sha256 is not None
        probe.require(given, sae.sha256 if reads_features and sae is not None else None)
    except ValueError as error:
        raise InputError(_about(path, error)) from error
    return probe


def _about(path: Path, error: Exception) -> str:
    """Name ``path`` before a message that does not begin with it."""
    message = str(error)
    return message if message.startswith(str(path)) else f"{path}: {message}"


def _require_latents(source: Source | None) -> None:
    if source is not None and source.hook_point not in LATENT_POINTS:
        raise SourceError(
            f"hook_point is {source.hook_point!r}, a hidden state; decoding reads latents, so give what was fitted on "
            f"{', '.join(LATENT_POINTS)}"
        )
