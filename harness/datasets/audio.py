"""Audio files as units: whatever libsndfile reads, folders walked in a fixed order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.datasets.collect import Clip
from harness.errors import InputError

SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"} | {".aif", ".oga", ".opus"}
"""Which files of a folder count as audio; a file that is named itself is tried whatever it is called."""
_SIZE = re.compile(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)
"""What libsndfile notes when a header promises more than there is."""
LONGEST_S = 600.0
"""Stretch that ``read_whole`` reads at once."""
_UNKNOWN_SIZE = 0x7FFF0000
"""Sizes from here on are what programs write that do not know the length beforehand."""


@dataclass(frozen=True)
class AudioFile:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """The path as it was given."""
        return str(self.path)

    @property
    def version(self) -> str:
        """Size and time of the last change."""
        status = self.path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}"

    def clips(self, segment_s: float) -> Iterator[Clip]:
        """Give the file as one clip; it is read while its segments are iterated."""
        with _faults():
            file, digest = soundfile.SoundFile(self.path), _sha256(self.path)
        with file:
            _check_whole(file)
            segments = _segments(file, max(round(segment_s * file.samplerate), 1))
            yield Clip(self.name, digest, digest, None, file.samplerate, file.channels, segments)


def find_audio(paths: Sequence[Path]) -> list[AudioFile]:
    """List the given files, and the audio files in the given folders and below, each once and sorted within a folder.

    Raises ``InputError`` for a path that does not exist and a folder without audio files.
    """
    found: dict[Path, AudioFile] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; give audio files, or folders that hold some")
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not inside:
                raise InputError(f"{path} holds no audio file (readable are {', '.join(sorted(SUFFIXES))})")
        for file in inside:
            found.setdefault(file.resolve(), AudioFile(file))
    return list(found.values())


def read_whole(path: Path) -> tuple[np.ndarray, int]:
    """Read a file as float32 ``[channels, N]`` and its rate. Raises ``InputError`` when it cannot be used."""
    parts: list[np.ndarray] = []
    try:
        for clip in AudioFile(path).clips(LONGEST_S):
            parts, sample_rate_hz = list(clip.segments), clip.sample_rate_hz
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not parts:
        raise InputError(f"{path} holds no samples")
    audio = np.concatenate(parts, axis=1)
    if not np.isfinite(audio).all():
        raise InputError(f"{path} holds NaN or infinite samples; repair it first")
    return audio, sample_rate_hz


def _segments(file: soundfile.SoundFile, length: int) -> Iterator[np.ndarray]:
    read = 0
    while True:
        with _faults():
            block = file.read(length, dtype="float32", always_2d=True)
        if not len(block):
            break
        read += len(block)
        yield np.ascontiguousarray(block.T)
    if read < file.frames:
        raise InputError(f"it is truncated: {read} of {file.frames} samples are there")


def _check_whole(file: soundfile.SoundFile) -> None:
    """Raise ``InputError`` for a file that ends before its header says; libsndfile reads such files without a word."""
    promised = _SIZE.search(file.extra_info)
    if promised and int(promised[2]) < int(promised[1]) < _UNKNOWN_SIZE:
        raise InputError(f"it is truncated: {promised[2]} of {promised[1]} bytes of audio are there")
    if "Ogg: Last page lacks an end-of-stream bit" in file.extra_info:
        raise InputError("it is truncated: the end of the Ogg stream is missing")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what libsndfile and the disk report into ``InputError``."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise InputError(f"it cannot be read as audio: {error.error_string}") from error
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}") from error
