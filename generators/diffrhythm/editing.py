"""Making parts of a recording anew: which frames, and what the model is shown of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from generators.base import RequestError
from generators.codecs.audio import prepare_audio
from generators.codecs.base import Codec

OPEN_END = -1
"""Stands for the song's start as a beginning and for its end as an end."""

PEAK = 10 ** (-6 / 20)
"""Level a recording is brought to before it is encoded, -6 dBFS."""

MARGIN_FRAMES = 16
"""Frames after the song's end that are encoded with it; a codec's frame does not hear further."""


def edit_ranges(options: Mapping[str, Any], *, frames: int, frame_rate_hz: float) -> list[tuple[int, int]] | None:
    """Half-open frame ranges to make anew, None without an edit.

    Parameters
    ----------
    options
        Of a request: ``edit``, the recording, and ``regenerate``, pairs of seconds.
    frames, frame_rate_hz
        Of the song.

    Raises
    ------
    RequestError
        For one without the other, and for ranges that are malformed, empty or outside the song.
    """
    file, ranges = options["edit"], options["regenerate"]
    if file is None and ranges is None:
        return None
    if not isinstance(file, str | Path):
        raise RequestError(f"`edit` is {file!r}; name the recording whose parts are to be made anew")
    if isinstance(ranges, str) or not isinstance(ranges, Sequence) or not ranges:
        raise RequestError(f"`regenerate` is {ranges!r}; say what to make anew in seconds, such as [[10, 25]]")
    return [_frame_range(item, frames, frame_rate_hz) for item in ranges]


def check_recording(file: str | Path, codec: Codec, frames: int) -> None:
    """Check that a recording can be read and is as long as the song. Raises ``RequestError``."""
    try:
        found = soundfile.info(str(file))
    except soundfile.LibsndfileError as error:
        raise RequestError(f"{file}: no audio that can be read ({error.error_string})") from None
    there = math.ceil(found.frames * codec.sample_rate_hz / (found.samplerate * codec.hop_samples))
    if there < frames:
        raise RequestError(
            f"{file} lasts {found.duration:.2f} s and the song {frames / codec.frame_rate_hz:.2f} s; give a recording "
            "at least as long, or ask for a shorter song"
        )


def encode_recording(file: str | Path, codec: Codec, frames: int) -> Tensor:
    """Latents ``[1, frames, C]`` of the start of a recording, at a peak of -6 dBFS; of its channels those that fit.

    The original samples the posterior; these are what ``codec.encode`` gives, for DiffRhythm's own codec its mean.
    Raises ``RequestError``.
    """
    try:
        samples, rate_hz = soundfile.read(str(file), dtype="float32", always_2d=True)
        audio = prepare_audio(
            torch.from_numpy(samples.T.copy())[None, : codec.channels],
            rate_hz,
            to_hz=codec.sample_rate_hz,
            channels=codec.channels,
        )
    except (soundfile.LibsndfileError, ValueError) as error:
        raise RequestError(f"{file}: {error}") from None
    peak = audio.abs().max()
    if peak > 0:
        audio = audio * (PEAK / peak)
    latents = codec.encode(audio[..., : (frames + MARGIN_FRAMES) * codec.hop_samples], codec.sample_rate_hz)
    return latents[:, :frames].float()


def _frame_range(given: Any, frames: int, frame_rate_hz: float) -> tuple[int, int]:
    """Turn ``[start_s, end_s]`` into frames, ``OPEN_END`` on either side."""
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2 or not all(map(_seconds, given)):
        raise RequestError(f"`regenerate` holds {given!r}; give pairs of seconds, -1 for the song's start and end")
    start_s, end_s = given
    first = 0 if start_s == OPEN_END else int(start_s * frame_rate_hz)
    end = frames if end_s == OPEN_END else min(int(end_s * frame_rate_hz), frames)
    if first >= end:
        raise RequestError(
            f"`regenerate` holds {given[0]:g} to {given[1]:g} s, which is no frame of this song of "
            f"{frames / frame_rate_hz:.2f} s"
        )
    return first, end


def _seconds(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and (value >= 0 or value == OPEN_END)
