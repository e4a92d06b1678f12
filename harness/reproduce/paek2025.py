"""Paek et al. 2025 (arXiv 2510.23802): sparse autoencoders of a codec's latents, read, used, and followed over steps.

Latents of a corpus, a grid of the paper's SAEs (ReLU, RMS-normalised code, L1) beside topk ones and a random
dictionary, the sparsity table, property changes through the best of them, and emergence curves of a generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from analysis.probes import FitConfig, save_probe
from analysis.sae.config import SAEConfig
from analysis.sae.learner import TrainConfig
from generators.codecs.base import Codec
from harness.codecs import CodecSpec
from harness.datasets.audio import AudioFile, find_audio
from harness.datasets.build import build
from harness.datasets.reader import Dataset, open_dataset
from harness.datasets.sources import Sources, audio_sources
from harness.decoding.artifacts import read_artifacts
from harness.decoding.emergence import Curves
from harness.errors import InputError
from harness.fitting.probes import Frames, frames_of, task_of
from harness.fitting.saes import grid, load_sae
from harness.fitting.sound import require_codec
from harness.fitting.table import figures, read_properties
from harness.models import load_generator
from harness.pipeline import Progress
from harness.reproduce import estimate
from harness.reproduce.emergence import emergence, measure_runs, require_same_codec
from harness.reproduce.manipulation import Example, control_vectors, examples
from harness.reproduce.prompts import built_in, read_captions
from harness.reproduce.training import train_once
from harness.reproduce.workspace import Workspace, opened

PROPERTIES = ("pitch", "loudness", "timbre")
DATASET, SAES, PROBES, RAW = "latents.h5", "saes", "probes", "raw"
RENDERED_S = 5.0
"""Length of a rendered clip."""
RENDERING, PROBE_S = 0.05, 4e-4
"""Seconds that a second of rendered audio, and a frame of all probes of one SAE, take on one core: for estimates."""
PROBED_CLASSES = 66 + 20 + 20
"""Columns of the weights of all probes of one SAE."""
WELL_RECONSTRUCTED = 0.10
"""Of the SAEs with at most this fvu, the one that probes read best is used further."""


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    widths: tuple[int, ...]
    """d_sae of the paper's SAEs, as multiples of d_in."""
    penalties: tuple[float, ...]
    """Their weights of the sparsity term."""
    ours: int
    """The same multiple for topk SAEs and the random dictionary."""
    active: tuple[int, ...]
    """Their k; the random dictionary has the last."""
    steps: int
    """Batches of 4096 frames each SAE learns from."""
    probe_frames: int
    """Most frames that the table's probes are fitted and scored on."""
    audio_s: float | None
    """Most audio that is taken from folders; None for all."""
    examples: int
    """Test files that are changed."""
    prompts: int
    """Prompts of the emergence curves."""


FULL = Scale(
    (4, 8, 16, 32, 64, 128, 256), (0.005, 0.01, 0.02, 0.05, 0.1, 0.15), 32, (8, 16, 32), 2000, 60_000, None, 4, 500
)
"""The paper's grid and number of prompts."""
SMALL = Scale((4, 16), (0.005, 0.02, 0.1), 16, (16, 32), 300, 12_000, 1200, 2, 16)
"""Minutes."""
FIT = FitConfig(l2=1e-5, max_iterations=120)


@dataclass(frozen=True)
class Study:
    """What is studied, on what."""

    codec: CodecSpec
    audio: tuple[Path, ...] = ()
    """Files and folders."""
    rendered: int = 0
    """Rendered clips of known notes besides."""
    generator: str | None = None
    """Whose steps are followed; None leaves the emergence curves out."""
    captions: Path | None = None
    """CSV in MusicCaps' form to take prompts from; None for the built-in list."""
    scale: Scale = FULL
    untrained: bool = False
    """The weights are random: the study is an end-to-end check, and its report says so."""
    device: str = "cpu"

    def settings(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON-ready values."""
        captions = None if self.captions is None else str(self.captions)
        paths = {"audio": [str(path) for path in self.audio], "captions": captions}
        return {"study": "paek2025", **asdict(self), **paths, "device": None}


@dataclass(frozen=True)
class Results:
    """What came out."""

    study: Study
    codec: Codec
    dataset: Mapping[str, Any]
    """Files, rows and seconds of audio."""
    rows: Sequence[Mapping[str, Any]]
    """The sparsity table: one row an SAE, and one of the latents themselves."""
    best: Mapping[str, Any]
    """The row whose SAE was used further."""
    examples: Sequence[Example]
    curves: Curves


def audio_files(study: Study) -> list[AudioFile]:
    """List the files that are used. Raises ``InputError`` where there is nothing to study."""
    if not study.audio and not study.rendered:
        raise InputError("nothing to study; give --audio with files or folders, or --rendered")
    return estimate.take(find_audio(study.audio), study.scale.audio_s)


def sources(study: Study) -> Sources:
    """Say what the data set is built from. Raises as ``audio_files`` does."""
    paths = [file.path for file in audio_files(study)]
    return audio_sources(paths, study.codec, PROPERTIES, rendered=study.rendered)


def configs(study: Study, d_in: int) -> dict[str, list[SAEConfig]]:
    """SAEs to train, by the folder of those that share batches."""
    scale, d_sae = study.scale, study.scale.ours * d_in
    active = [k for k in scale.active if k <= d_sae]
    ours: dict[str, Sequence[Any]] = {"architecture": ["topk"], "d_sae": [d_sae], "k": active}
    control: dict[str, Sequence[Any]] = {"architecture": ["random"], "d_sae": [d_sae], "k": active[-1:]}
    papers = {
        f"rms-{width}x": grid(d_in, 0, {"architecture": ["rms"], "d_sae": [width * d_in], "sparsity": scale.penalties})
        for width in scale.widths
    }
    return {**papers, "topk": grid(d_in, 0, ours), "random": grid(d_in, 1, control)}


def measure(study: Study) -> estimate.Estimate:
    """Estimate size and time by doing a little of everything."""
    codec = study.codec.load()
    audio_s = study.rendered * RENDERED_S + sum(estimate.length_s(file) for file in audio_files(study))
    rows = audio_s * codec.frame_rate_hz
    seconds_of_noise = torch.randn(1, codec.channels, 10 * codec.sample_rate_hz) * 0.1
    with torch.inference_mode():
        encoding_s = estimate.timed(lambda: codec.encode(seconds_of_noise, codec.sample_rate_hz)) / 10 * audio_s
    groups = configs(study, codec.latent_channels)
    plan = TrainConfig(study.scale.steps, int(min(4096, max(rows, 1))))
    times = {"encoding": estimate.WORKERS_S + encoding_s + RENDERING * study.rendered * RENDERED_S}
    times["SAEs"] = sum(estimate.training_s(group, plan, study.device) for group in groups.values())
    probed = sum(len(group) for group in groups.values()) + 1
    times["probes"] = PROBE_S * min(rows, study.scale.probe_frames) * probed
    size = estimate.dataset_bytes(rows, codec.latent_channels)
    size += sum(estimate.sae_bytes(group) for group in groups.values())
    size += sum(PROBED_CLASSES * 4 * config.d_sae for group in groups.values() for config in group)
    if study.generator is not None:
        generator = load_generator(study.generator, device=study.device)
        require_same_codec(generator, codec)
        times["runs"], run_bytes = measure_runs(generator, study.scale.prompts)
        size += run_bytes
    return estimate.Estimate(audio_s, size, times)


def reproduce(study: Study, out: Path, *, workers: int = 1, progress: Progress | None = None) -> Results:
    """Do everything that is not done yet in ``out``.

    Raises
    ------
    InputError
        For a study of nothing, a generator of another codec, captions that cannot be read, or a folder that holds a
        study with other settings.
    ExistsError, StorageError
        For a folder that is taken or cannot be written.
    """
    tell = progress or (lambda what, done, total: None)
    prompts = _prompts(study)
    with opened(out, study.settings()) as workspace:
        codec = study.codec.load()
        if study.generator is not None:
            require_same_codec(load_generator(study.generator), codec)
        if not (out / DATASET).is_file():
            build(*sources(study), out / DATASET, workers=workers, progress=progress)
        with open_dataset(out / DATASET) as dataset:
            require_codec(dataset, codec)
            folders = _train(study, dataset, out / SAES, tell)
            frames = _frames(study, dataset)
            rows = [_row(workspace, dataset, frames, folder) for folder in _told(folders, tell)]
            best = choose(rows)
            sae = load_sae(out / best["folder"])
            vectors = {name: control_vectors(sae, frames, task_of(dataset, frames, name)) for name in PROPERTIES}
            changed = list(examples(sae, dataset, codec, vectors, study.scale.examples))
            curves = _curves(study, workspace, dataset, frames, best, prompts, progress)
            audio_s = sum(file.samples / file.sample_rate_hz for file in dataset.files)
            about = {"files": len(dataset.files), "rows": dataset.rows().shape[0], "audio_s": audio_s}
    return Results(study, codec, about, rows, best, changed, curves)


def choose(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Pick the trained SAE that probes read best of those that reconstruct well, else the one that does so best."""
    trained = [row for row in rows if row["architecture"] not in (RAW, "random")]
    faithful = [row for row in trained if row["fvu"] <= WELL_RECONSTRUCTED]
    if not faithful:
        return min(trained, key=lambda row: float(row["fvu"]))
    return max(faithful, key=lambda row: sum(float(row[name]["value"]) for name in PROPERTIES))


def _prompts(study: Study) -> list[str]:
    if study.generator is None:
        return []
    count = study.scale.prompts
    return built_in(count) if study.captions is None else read_captions(study.captions, count)


def _train(study: Study, dataset: Dataset, home: Path, tell: Progress) -> list[Path | None]:
    """Train what is not trained; return the folders, and None for the latents themselves."""
    plan, found = TrainConfig(study.scale.steps), list[Path | None]([None])
    groups = configs(study, dataset.source.d_in)
    for index, (name, group) in enumerate(groups.items()):
        tell(f"SAEs {name}", index, len(groups))
        train_once(dataset, group, home / name, plan, study.device)
        found += sorted(path.parent for path in (home / name).rglob("cfg.json"))
    return found


def _told(folders: Sequence[Path | None], tell: Progress) -> Iterator[Path | None]:
    for index, folder in enumerate(folders):
        tell("probes", index, len(folders))
        yield folder


def _frames(study: Study, dataset: Dataset) -> Frames:
    """Every n-th frame, so that there are no more than asked for."""
    return frames_of(dataset, max(-(-dataset.rows().shape[0] // study.scale.probe_frames), 1))


def _row(workspace: Workspace, dataset: Dataset, frames: Frames, folder: Path | None) -> dict[str, Any]:
    name = RAW if folder is None else folder.name

    def make() -> dict[str, Any]:
        sae = None if folder is None else load_sae(folder)
        d_in = dataset.source.d_in
        row: dict[str, Any] = {"architecture": RAW, "d_sae": d_in, "l0": d_in, "sparsity": 0.0, "fvu": 0.0, "dead": 0.0}
        if sae is not None and folder is not None:
            row = figures(sae, dataset) | {"folder": str(folder.relative_to(workspace.home))}
            row["setting"] = sae.config.sparsity if sae.config.k is None else sae.config.k
        readings = read_properties(sae, dataset, frames, PROPERTIES, FIT)
        for reading in readings.values():
            if reading.probe.info.property in PROPERTIES:
                save_probe(reading.probe, workspace.home / PROBES / name)
        return {"name": name, **row} | {key: reading.to_json() for key, reading in readings.items()}

    row: dict[str, Any] = workspace.once(f"table/{name}", make)
    return row


def _curves(
    study: Study,
    workspace: Workspace,
    dataset: Dataset,
    frames: Frames,
    best: Mapping[str, Any],
    prompts: Sequence[str],
    progress: Progress | None,
) -> Curves:
    if study.generator is None:
        return {}
    name = study.generator
    probes, sae = workspace.home / PROBES / best["name"], workspace.home / best["folder"]
    artifacts = read_artifacts(dataset.source, probes, sae)
    return emergence(workspace, lambda: load_generator(name, device=study.device), prompts, artifacts, progress)
