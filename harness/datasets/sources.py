"""What a data set can be built from, ready for ``build``: units and the collector that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis import properties
from analysis.source import Source
from harness.codecs import CodecSpec
from harness.datasets.audio import find_audio
from harness.datasets.build import Collector, Unit
from harness.datasets.collect import AudioCollector
from harness.datasets.format import Plan
from harness.datasets.rendered import rendered_units
from harness.datasets.traces import TraceCollector, find_traces, trace_source
from harness.errors import InputError
from harness.store.reader import open_trace


class Sources(NamedTuple):
    """What ``build`` takes."""

    units: Sequence[Unit]
    collector: Collector[Any]
    plan: Plan


def audio_sources(
    paths: Sequence[Path], codec: CodecSpec | str, names: Sequence[str], seed: int = 0, *, rendered: int = 0
) -> Sources:
    """Audio files and folders, and a number of rendered clips, through a codec.

    Raises ``InputError`` for unknown names, paths that do not exist and folders without audio.
    """
    check_properties(names)
    spec = CodecSpec(codec) if isinstance(codec, str) else codec
    loaded = spec.load()
    units: list[Unit] = [*find_audio(paths)]
    if rendered:
        units += rendered_units(rendered, seed)
    source = Source(loaded.id, loaded.weights_sha256, "latents", loaded.latent_channels)
    plan = Plan(source, loaded.frame_rate_hz, loaded.sample_rate_hz, tuple(names), seed=seed, codec=spec.to_json())
    return Sources(units, AudioCollector(spec, plan), plan)


def trace_sources(
    paths: Sequence[Path], names: Sequence[str], hook_point: str, times: Sequence[float], seed: int = 0
) -> Sources:
    """Traces, at one hook point and some t; the first trace decides which model they must be of.

    Raises ``InputError`` for unknown names, paths without a trace and a hook point that was not recorded.
    """
    check_properties(names)
    units = find_traces(paths)
    with open_trace(units[0].path) as trace:
        source = trace_source(trace, hook_point)
        plan = Plan(
            source, trace.frame_rate_hz, trace.sample_rate_hz, tuple(names), tuple(sorted(set(times))), seed=seed
        )
    return Sources(units, TraceCollector(plan), plan)


def check_properties(names: Sequence[str]) -> None:
    """Raise ``InputError`` when one of ``names`` is not a property, or needs what is not installed."""
    try:
        for name in names:
            properties.load(name).require()
    except ValueError as error:
        raise InputError(str(error)) from None
