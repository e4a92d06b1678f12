"""What gives a song its style: a vector of K numbers, from a text, from audio, or from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import soundfile
import torch
from torch import Tensor

from generators.base import CheckpointError, GenerationRequest, RequestError
from generators.codecs.audio import prepare_audio
from generators.folder import read_tensors

StyleSource = Literal["embedding", "prompt-hash"]
"""``embedding``: a file, or an encoder. ``prompt-hash``: drawn from the prompt, for random weights only."""

STYLE = "style"
NEGATIVE_STYLE = "negative_style"
"""Names of the tensors in ``.safetensors`` files."""
STYLE_RATE_HZ = 24_000
CLIP_S = 10
"""Length of audio a style is made of."""


class StyleEncoder(Protocol):
    """Turns texts and audio into styles; equal inputs give equal vectors."""

    def text(self, prompt: str) -> Tensor:
        """Style ``[K]`` of a description."""

    def audio(self, clip: np.ndarray) -> Tensor:
        """Style ``[K]`` of ten seconds, as ``read_clip`` gives them."""

    def close(self) -> None:
        """Free what is loaded; the next call loads it again."""


def style_of(
    request: GenerationRequest, size: int, source: StyleSource = "embedding", encoder: StyleEncoder | None = None
) -> Tensor:
    """Style ``[size]`` that a request asks for: a file's, else a recording's, else its prompt's.

    Raises ``RequestError`` where there is nothing to make it with.
    """
    file, recording = request.options["style_embedding"], request.options["style_audio"]
    if file is not None and recording is not None:
        raise RequestError("`style_embedding` and `style_audio` were both given; give one of them")
    if file is not None:
        return read_vector(file, STYLE, size)
    if recording is None and source == "prompt-hash":
        return hashed_vector(request.prompt, size)
    if encoder is None:
        raise RequestError(
            "this model has no encoder that makes a style from text or audio; give --style-embedding FILE, a "
            f".safetensors file with a tensor {STYLE!r} of {size} numbers"
        )
    style = encoder.text(request.prompt) if recording is None else encoder.audio(read_clip(recording))
    if style.numel() != size:
        raise RequestError(f"the encoder makes styles of {style.numel()} numbers; this model reads {size}")
    return style


def negative_style_of(request: GenerationRequest, size: int, own: Tensor | None) -> Tensor:
    """Style ``[size]`` of the unconditional branch: a file's, else the model's own. Raises ``RequestError``."""
    file = request.options["negative_style"]
    if file is not None:
        return read_vector(file, NEGATIVE_STYLE, size)
    if own is not None:
        return own
    raise RequestError(
        "guidance needs the model's negative style, a constant that comes with the original code as "
        "infer/example/vocal.npy (repository ASLP-lab/DiffRhythm): put that file beside the weights, or give "
        "--set negative_style=FILE, or --guidance-scale 0"
    )


def read_vector(file: str | Path, name: str, size: int) -> Tensor:
    """Read float32 ``[size]``: the tensor ``name`` of a ``.safetensors`` file, or what a ``.npy`` file holds.

    Raises ``RequestError`` that names the file.
    """
    try:
        vector = _read_npy(Path(file)) if Path(file).suffix == ".npy" else _read_safetensors(Path(file), name)
    except CheckpointError as error:
        raise RequestError(str(error)) from None
    if vector.numel() != size or not vector.isfinite().all():
        raise RequestError(f"{file}: {name} has shape {list(vector.shape)}; give {size} finite numbers")
    return vector.float().flatten()


def _read_safetensors(file: Path, name: str) -> Tensor:
    tensors = read_tensors(file)
    if name not in tensors:
        raise CheckpointError(f"{file}: holds no tensor {name!r}; it has {', '.join(sorted(tensors)) or 'none'}")
    return tensors[name]


def _read_npy(file: Path) -> Tensor:
    try:
        return torch.from_numpy(np.load(file, allow_pickle=False).astype(np.float32))
    except (OSError, ValueError, EOFError):
        raise CheckpointError(f"{file}: missing, or no array of plain numbers as NumPy writes it") from None


def hashed_vector(text: str, size: int) -> Tensor:
    """Draw a unit vector ``[size]`` from a text's SHA-256; it means nothing but is the same every time."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    vector = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = vector / vector.norm()
    return unit


def read_clip(file: str | Path) -> np.ndarray:
    """Read the ten seconds of an audio file that its style is made of, float32 mono ``[240000]`` at 24 kHz.

    They begin five seconds before the middle, which is taken as a whole second, as DiffRhythm does. Raises
    ``RequestError`` for a file that is shorter, or is no audio.
    """
    try:
        with soundfile.SoundFile(file) as audio:
            rate_hz, length_s = audio.samplerate, audio.frames / audio.samplerate
            if length_s < CLIP_S:
                raise RequestError(f"{file} lasts {length_s:.1f} s; a style is made of {CLIP_S} s, give a longer file")
            audio.seek((int(length_s / 2) - CLIP_S // 2) * rate_hz)
            samples = audio.read(CLIP_S * rate_hz, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise RequestError(f"{file} cannot be read as audio ({error}); give a .wav, .flac or .mp3 file") from None
    mono = torch.from_numpy(samples.mean(axis=1))[None, None]
    clip = prepare_audio(mono, rate_hz, to_hz=STYLE_RATE_HZ, channels=1)[0, 0]
    return np.resize(clip.numpy(), CLIP_S * STYLE_RATE_HZ) if len(clip) != CLIP_S * STYLE_RATE_HZ else clip.numpy()
