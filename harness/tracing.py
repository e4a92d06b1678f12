"""Recording a generation while it runs: a hook that looks, copies, and changes nothing."""

from __future__ import annotations

import dataclasses
import fnmatch
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from generators.base import Generation, GenerationRequest, Generator, HookPoint
from harness.capture import HIDDEN_DTYPES, Fence, HiddenCapture, dtype_name, room, snapshot, storable
from harness.errors import ExistsError, InputError, StorageError, TraceError
from harness.provenance import hardware, versions
from harness.recording import HiddenState, Record, Recording
from harness.spool import Spool
from harness.store.format import GUIDED, LOAD, HiddenLayout, Layout, Metadata

LARGE_BYTES = 4 << 30
"""Traces above this predicted size, all of a batch together, are refused unless ``yes`` is given."""


class Intervening(Protocol):
    """A hook that keeps account of what it changed."""

    record: dict[int, Tensor]
    """Step -> ``[B]``: norm of its edit relative to that of what it edited; steps it left alone are missing."""


class Tracer:
    """A ``StepHook`` that writes one trace file per request of a batch; place it last among the hooks.

    It records what the sampler goes on with, after all other hooks. Files appear at the end of the first network call,
    when every shape is known, and are written by a background thread; at most a few steps wait in memory. Leaving the
    ``with`` without ``finish`` leaves readable, incomplete traces.

    Parameters
    ----------
    generator, requests
        What will be generated, in one ``generate_batch`` call.
    paths
        One file per request, in existing folders.
    hidden, hidden_every, hidden_stride, hidden_dtype
        Hidden states to record besides; see ``HiddenCapture``.
    force
        Replace files that are there.
    yes
        Allow traces above ``LARGE_BYTES``.
    extra
        An object to store in each trace: ``{"interventions": [...]}`` lists those that are active.
    interventions
        The same as hooks, which come before the tracer: the sizes of their edits are recorded at every step.

    Raises
    ------
    InputError
        For a pattern that matches nothing, or a size beyond ``LARGE_BYTES``.
    ExistsError, StorageError
        For a file that is there, and a disk that is too small, before the first step; ``StorageError`` also at any step
        after the background thread failed to write.
    """

    def __init__(
        self,
        generator: Generator,
        requests: Sequence[GenerationRequest],
        paths: Sequence[Path],
        *,
        hidden: Sequence[str] = (),
        hidden_every: int = 1,
        hidden_stride: int = 1,
        hidden_dtype: str = "float16",
        force: bool = False,
        yes: bool = False,
        extra: Mapping[str, Any] | None = None,
        interventions: Sequence[Intervening] = (),
    ) -> None:
        if not requests or len(requests) != len(paths):
            raise ValueError(f"{len(requests)} requests and {len(paths)} paths; give one path per request")
        self._generator = generator
        self._requests = [generator.resolve(request) for request in requests]
        self._plan = generator.plan(self._requests[0])
        self._names: tuple[str, ...] = (*self._plan.branches, GUIDED)
        self._paths = [Path(path) for path in paths]
        self._capture = HiddenCapture(tuple(hidden), hidden_every, hidden_stride, hidden_dtype)
        self.wanted_modules = self._capture.modules(generator)
        self._force = force
        self._yes = yes
        self._extra = dict(extra or {})
        self._interventions = tuple(interventions)
        self._recording: Recording | None = None
        self._first: Spool | None = None
        self._record: Record | None = None
        self._final: Tensor | None = None
        self._started_s = time.perf_counter()

    def __enter__(self) -> Self:
        for path in self._paths:
            if path.exists() and not self._force:
                raise ExistsError(f"{path} is already there; give another place, or --force to replace it")
        self._check_room(self._layout(torch.float32, self._foreseen()))
        self._started_s = time.perf_counter()
        return self

    def wants(self, point: HookPoint) -> bool:
        """Want every state and velocity, and the chosen modules at every n-th step."""
        if point.name in ("x_t", "velocity"):
            return True
        return point.name in self.wanted_modules and point.step % self._capture.every == 0

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        """Copy ``value``; at the end of each update, hand the copies to the background thread."""
        if self._recording is not None:
            self._recording.check()
        if point.name == "x_t":
            self._see_state(point, value)
            return
        record = self._record
        if record is None or record.step != point.step:
            raise ValueError(f"the generator showed {point.name} of step {point.step} before its x_t")
        if point.name == "velocity":
            self._see_velocity(record, point, value)
        elif (kept := self._capture.thin(value, len(self._paths))) is not None:
            self._see_hidden(point, kept)

    def finish(self, generations: Sequence[Generation]) -> None:
        """Store audio and notes, wait for the disk, and mark the traces complete.

        Raises ``TraceError`` when the hook was not shown the whole trajectory, or another one than the result's.
        """
        seconds = time.perf_counter() - self._started_s
        if self._recording is None or self._final is None:
            raise TraceError("the generation was not traced to its end; give the tracer to generate_batch as a hook")
        for final, generation in zip(self._final, generations, strict=True):
            if not torch.equal(final.float(), generation.latents.float()):
                raise TraceError(f"{self._generator.id} returned latents that are not the final state it showed")
        self._recording.finish(generations, seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._first is not None:
            self._first.close()
        if self._recording is None:
            return
        try:
            self._recording.close()
        except StorageError:
            if error is None:
                raise

    def _see_state(self, point: HookPoint, value: Tensor) -> None:
        expected = (len(self._paths), self._plan.frames, self._plan.channels)
        if tuple(value.shape) != expected:
            raise ValueError(f"the tracer was set up for x_t of shape {expected}, but was shown {tuple(value.shape)}")
        dtype = storable(value.dtype)
        last = point.step == len(self._plan.times) - 1
        record = Record(point.step, room(value, dtype), room(value, dtype, 0 if last else len(self._names)))
        snapshot(value, record.x_t)
        self._record = record
        if last:
            self._final = record.x_t
            self._submit(record, value.device)

    def _see_velocity(self, record: Record, point: HookPoint, value: Tensor) -> None:
        if self._recording is None:
            self._create(record, value)
        snapshot(value, record.velocity[self._names.index(point.branch or GUIDED)])
        if point.branch is None:
            record.relative_norms = self._relative_norms(record.step, value)
            self._submit(record, value.device)

    def _see_hidden(self, point: HookPoint, kept: Tensor) -> None:
        values = room(kept, HIDDEN_DTYPES[self._capture.dtype])
        snapshot(kept, values)
        state = HiddenState(
            point.step, point.name, self._names.index(point.branch or GUIDED), values, Fence(kept.device)
        )
        if self._recording is not None:
            self._recording.submit(state)
            return
        if self._first is None:
            self._first = Spool(self._paths[0].parent)
        self._first.add(state)

    def _relative_norms(self, step: int, value: Tensor) -> Tensor | None:
        """Copy the size of every intervention's edit at ``step``, ``[interventions, B]``."""
        if not self._interventions:
            return None
        none = torch.zeros(len(value), device=value.device)
        sizes = torch.stack([item.record.get(step, none).float() for item in self._interventions])
        kept = room(sizes, torch.float32)
        snapshot(sizes, kept)
        return kept

    def _submit(self, record: Record, device: torch.device) -> None:
        if self._recording is None:
            raise ValueError("the generator showed its final state before any velocity")
        record.fence = Fence(device)
        self._recording.submit(record)

    def _create(self, record: Record, value: Tensor) -> None:
        """Create the files, now that step 0 has shown every shape."""
        outputs = self._first.outputs if self._first is not None else {}
        for pattern in self._capture.patterns:
            if not fnmatch.filter(outputs, pattern):
                raise InputError(f"no module of hidden pattern {pattern!r} returns one tensor per request; take others")
        layout = self._layout(record.x_t.dtype, outputs)
        self._check_room(layout)
        self._recording = Recording(self._paths, layout, self._metadata(value), force=self._force)
        for state in self._first.drain() if self._first is not None else ():
            self._recording.submit(state)

    def _foreseen(self) -> dict[str, Tensor]:
        """Hidden states as they will be, without values, where the generator can tell before the first call."""
        outputs = self._generator.rehearse(self._plan.frames) if self.wanted_modules else {}
        thinned = {name: self._capture.thin(outputs[name], 1) for name in outputs if name in self.wanted_modules}
        dtype = HIDDEN_DTYPES[self._capture.dtype]
        return {name: output.to(dtype) for name, output in thinned.items() if output is not None}

    def _layout(self, dtype: torch.dtype, outputs: Mapping[str, Tensor] | None = None) -> Layout:
        plan, codec = self._plan, self._generator.codec
        return Layout(
            times=plan.times,
            frames=plan.frames,
            channels=plan.channels,
            branches=plan.branches,
            dtype=dtype_name(dtype),
            audio_channels=codec.channels,
            audio_samples=plan.frames * codec.hop_samples,
            hidden=tuple(self._hidden_layout(name, output) for name, output in (outputs or {}).items()),
            interventions=len(self._interventions),
        )

    def _hidden_layout(self, name: str, output: Tensor) -> HiddenLayout:
        stride = self._capture.stride if output.ndim > 2 else 1
        return HiddenLayout(
            name=name,
            steps=tuple(range(0, len(self._plan.times) - 1, self._capture.every)),
            shape=tuple(output.shape[1:]),
            dtype=dtype_name(output.dtype),
            stride=stride,
            frames=output.shape[1] == len(range(0, self._plan.frames, stride)),
        )

    def _metadata(self, value: Tensor) -> list[Metadata]:
        """Root attributes of every trace of the batch."""
        generator, codec = self._generator, self._generator.codec
        loaded = {LOAD: dict(generator.load_settings)} if generator.load_settings else {}
        batch = tuple({item.name: getattr(r, item.name) for item in dataclasses.fields(r)} for r in self._requests)
        first = Metadata(
            run_id=uuid.uuid4().hex,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            generator_id=generator.id,
            weights_sha256=generator.weights_sha256,
            codec_id=codec.id,
            codec_weights_sha256=codec.weights_sha256,
            frame_rate_hz=float(codec.frame_rate_hz),
            sample_rate_hz=codec.sample_rate_hz,
            seed=self._requests[0].seed,
            source_dtype=dtype_name(value.dtype),
            request=batch[0],
            sampler=self._plan.sampler,
            batch=batch,
            batch_index=0,
            versions=versions(),
            hardware=hardware(str(value.device)),
            extra={**loaded, **self._extra},
        )
        return [
            dataclasses.replace(first, seed=request["seed"], request=request, batch_index=index)
            for index, request in enumerate(batch)
        ]

    def _check_room(self, layout: Layout) -> None:
        """Compare the predicted size with ``LARGE_BYTES`` and with the free disk."""
        size = layout.predicted_bytes * len(self._paths)
        if size > LARGE_BYTES and not self._yes:
            raise InputError(
                f"the traces would take {_shown(size)}; record fewer modules, steps (--hidden-every) or frames "
                "(--hidden-stride), or allow it with --yes"
            )
        folder = self._paths[0].parent
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageError(f"cannot write to {folder}: {error.strerror}") from error
        if size > free:
            raise StorageError(f"the traces would take {_shown(size)}, but {folder} has {_shown(free)} free")


def _shown(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.2f} MiB"
