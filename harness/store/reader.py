"""Reading a trace: the file is checked when it is opened, arrays are read when they are indexed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.display import facts_html
from harness.errors import InputError, TraceError
from harness.store import checks
from harness.store.arrays import HiddenStates, StepArray
from harness.store.format import DTYPES, FORMAT, FORMAT_VERSION, GUIDED, JSON_ATTRIBUTES

_STRINGS = (
    "format_version",
    "run_id",
    "created",
    "generator_id",
    "weights_sha256",
    "codec_id",
    "codec_weights_sha256",
    "source_dtype",
    *JSON_ATTRIBUTES,
)
_INTEGERS = ("complete", "sample_rate_hz", "seed", "batch_index")
_FLOATS = ("frame_rate_hz",)


def open_trace(path: str | Path) -> Trace:
    """Open a trace file, finished or not, also while it is being written.

    Raises ``InputError`` when there is no such file, and ``TraceError`` for one that is truncated, not a trace, of a
    newer format, or damaged.
    """
    return Trace(Path(path))


class Trace:
    """One recorded generation, as its file was when it was opened. Closes with ``close`` or at the end of a ``with``.

    Shape letters: S steps, T frames, C channels, N samples. Several threads may read; closing meanwhile is not safe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        try:
            with checks.faults(path):
                self._read_head()
                self._read_body()
        except BaseException:
            self.close()
            raise

    def _read_head(self) -> None:
        attributes = _attributes(self._file)
        self._attributes = attributes
        self.format_version: str = attributes["format_version"]
        self.complete: bool = bool(attributes["complete"])
        self.generator_id: str = attributes["generator_id"]
        self.weights_sha256: str = attributes["weights_sha256"]
        self.codec_id: str = attributes["codec_id"]
        self.frame_rate_hz: float = attributes["frame_rate_hz"]
        self.sample_rate_hz: int = attributes["sample_rate_hz"]
        self.request: dict[str, Any] = attributes["request"]
        """The resolved request."""
        self.sampler: dict[str, Any] = attributes["sampler"]
        self.batch: list[dict[str, Any]] = attributes["batch"]
        """Resolved requests of the whole batch; this one is ``batch[metadata["batch_index"]]``."""

    def _read_body(self) -> None:
        file = self._file
        self.t: NDArray[np.float64] = checks.dataset(file, "t", ("float64",), (None,))[()]
        """``[S+1]``: time of every state, 0 = noise, 1 = data."""
        total = len(self.t) - 1
        frames, channels = (len(checks.dataset(file, name, ("int64",), (None,))) for name in ("frame", "channel"))
        velocities = checks.names(file, "branch")
        self.branches: tuple[str, ...] = tuple(name for name in velocities if name != GUIDED)
        """Branches the denoiser ran."""
        progress = checks.scalar(file, "progress")
        if GUIDED not in velocities or not 0 <= progress <= total + 1 or (self.complete and progress != total + 1):
            raise TraceError(f"{self.path} is damaged: progress {progress} or branches {velocities} make no sense")
        self.steps: int = min(progress, total)
        """Finished updates; S when the trajectory is whole."""
        states = checks.dataset(file, "x_t", DTYPES, (total + 1, frames, channels))
        moves = checks.dataset(file, "velocity", (states.dtype.name,), (total, len(velocities), frames, channels))
        self.x_t = StepArray(states, progress)
        """``x_t[k]`` ``[T, C]``: the state update k used; ``x_t[S]`` the final latent."""
        self._velocity = {name: StepArray(moves, self.steps, (i,)) for i, name in enumerate(velocities)}
        groups = file.get("hidden", {})
        self.hidden: dict[str, HiddenStates] = {name: HiddenStates(groups[name], self.steps) for name in groups}
        """Module path -> its captured outputs."""
        self.relative_norms: StepArray | None = None
        """``relative_norms[k]`` ``[interventions]``: the norm of each intervention's edit at update k, relative to what
        it edited, in the order of ``metadata["extra"]["interventions"]``; None where none acted."""
        if "interventions" in file:
            norms = checks.dataset(file["interventions"], "relative_norm", ("float32",), (total, None))
            self.relative_norms = StepArray(norms, self.steps)
        self.hook_points: dict[str, dict[str, Any]] = {
            "x_t": _describe(states.shape, states.dtype),
            "velocity": _describe(moves.shape, moves.dtype),
            **{name: _describe(hidden.shape, hidden.dtype) for name, hidden in self.hidden.items()},
        }
        """What was captured: name -> planned ``shape`` and ``dtype``."""

    @property
    def velocity(self) -> StepArray:
        """``velocity[k]`` ``[T, C]``: the guided velocity update k used."""
        return self.velocity_of(GUIDED)

    def velocity_of(self, branch: str) -> StepArray:
        """Velocities of one guidance branch, or ``"guided"``. Raises ``InputError`` for a branch that did not run."""
        if branch not in self._velocity:
            raise InputError(f"no branch {branch!r} was recorded; there are {', '.join(self._velocity)}")
        return self._velocity[branch]

    def x1_hat(self, step: int, branch: str | None = None) -> NDArray[Any]:
        """Clean estimate ``[T, C]`` at ``step``, guided or of one branch: ``x_t + (1 - t) * velocity``.

        At step S it is the final latent. For float32 and float64 states it equals the sampler's own bit for bit.
        """
        if step == len(self.t) - 1:
            return self.x_t[step]
        if not 0 <= step < self.steps:
            raise IndexError(f"x1_hat({step}) is not there; {self.steps} steps were recorded")
        velocity = self.velocity_of(branch or GUIDED)[step]
        exact = np.promote_types(velocity.dtype, np.float32)
        estimate: NDArray[Any] = self.x_t[step] + exact.type(1 - float(self.t[step])) * velocity
        return estimate

    @property
    def audio(self) -> NDArray[np.float32] | None:
        """float32 ``[channels, N]`` as decoded, or None while the trace is incomplete."""
        if not self.complete:
            return None
        with checks.faults(self.path):
            audio = self._file["audio"]
            values = checks.dataset(audio, "values", ("float32",), (None, None))
            length = checks.scalar(audio, "length_samples")
            samples: NDArray[np.float32] = values[:, :length]
        return samples

    @property
    def metadata(self) -> dict[str, Any]:
        """All root attributes, and ``seconds`` and ``notes`` once the trace is complete."""
        with checks.faults(self.path):
            text = checks.scalar(self._file, "result", "S")
            return {**self._attributes, **(json.loads(text) if text else {})}

    def _repr_html_(self) -> str:
        """Show what was asked for and what is in the file, in a notebook."""
        total = len(self.t) - 1
        facts = {
            "generator": self.generator_id,
            "seed": self.request.get("seed"),
            "steps": f"{self.steps} of {total}" + ("" if self.complete else ", incomplete"),
            "latents": f"{self.x_t.shape[1]} frames of {self.x_t.shape[2]} channels, {self.frame_rate_hz:.4g} a second",
            "branches": ", ".join(self.branches),
            "hidden states": ", ".join(self.hidden) or "none",
            "file": self.path.name,
        }
        return facts_html(f"Trace of {str(self.request.get('prompt', ''))!r}", facts)

    def close(self) -> None:
        """Close the file; more than once is allowed."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: Path) -> h5py.File:
    """Open the HDF5 file, if it is a trace of a version this code reads."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of a trace")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: permission denied")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if "truncated" in str(error):
            raise TraceError(f"{path} is truncated; the rest of it was lost after it was written") from error
        raise TraceError(f"{path} is not an HDF5 file, or its start is damaged") from error
    try:
        with checks.faults(path):
            _check_version(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _check_version(file: h5py.File, path: Path) -> None:
    """Make sure that the file is a trace of a version this code reads."""
    if "format" not in file.attrs or checks.attribute(file, "format", "string") != FORMAT:
        raise TraceError(f"{path} is an HDF5 file but not a trace of this program")
    version = checks.attribute(file, "format_version", "string")
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise TraceError(f"{path} is damaged: format version {version!r}")
    if int(major) > int(FORMAT_VERSION.partition(".")[0]):
        raise TraceError(
            f"{path} has trace format {version}; this version reads up to {FORMAT_VERSION}: update the program"
        )


def _attributes(file: h5py.File) -> dict[str, Any]:
    """Root attributes as plain values, JSON ones parsed."""
    found: dict[str, Any] = {name: checks.attribute(file, name, "string") for name in _STRINGS}
    found.update({name: checks.attribute(file, name, "int64") for name in _INTEGERS})
    found.update({name: checks.attribute(file, name, "float64") for name in _FLOATS})
    for name in JSON_ATTRIBUTES:
        found[name] = json.loads(found[name])
        if not isinstance(found[name], list if name == "batch" else dict):
            raise TraceError(f"{file.filename} is damaged: root attribute {name!r} holds {type(found[name]).__name__}")
    return found


def _describe(shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Any]:
    return {"shape": list(shape), "dtype": dtype.name}
