"""What of a request belongs to DiffRhythm alone: style vectors, lyrics or tokens, edits, sway."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from generators.base import GenerationRequest, RequestError
from generators.diffrhythm.lengths import SongLengths
from generators.diffrhythm.lyrics.lrc import LRC_RULES
from generators.diffrhythm.lyrics.tokens import LYRICS_FORMS, Placement, lay_out
from generators.requests import settled
from generators.sampling import time_grid

OPTIONS: dict[str, Any] = {
    "style_embedding": None,
    "style_audio": None,
    "negative_style": None,
    "lyrics_form": "words",
    "lrc_rules": "original",
    "text_tokens": None,
    "edit": None,
    "regenerate": None,
    "sway": None,
}
"""Options of a request and their defaults.

``style_embedding``, ``negative_style``: files that ``generators.diffrhythm.style.read_vector`` reads. ``style_audio``:
a recording to take the style from; without any of them the prompt gives it. ``lyrics_form``: what the lines of the
lyrics hold, ``words``, ``phones`` or ``ids``. ``lrc_rules``: how their stamps are read, ``original`` or ``tolerant``.
``text_tokens``, instead of lyrics: token ids, one per frame from the first; the other frames are instrumental.
``edit``, ``regenerate``: a recording and the pairs of seconds of it that are made anew. ``sway``: bends the time grid,
see ``generators.sampling.time_grid``.
"""


def place_lyrics(request: GenerationRequest, lengths: SongLengths, *, causal: bool) -> Placement | None:
    """Lay the lyrics of a request out on its frames; None without lyrics.

    Parameters
    ----------
    request
        Resolved but for its lyrics.
    lengths
        What the model makes.
    causal
        Whether the model is of v1.0, which sings until its last frame and not only until the last whole second.

    Raises
    ------
    RequestError
        For lyrics of which nothing can be sung, unknown options, and lyrics beside ready-made tokens.
    """
    if request.lyrics is None:
        return None
    form, rules = request.options["lyrics_form"], request.options["lrc_rules"]
    for name, value, known in (("lyrics_form", form, LYRICS_FORMS), ("lrc_rules", rules, LRC_RULES)):
        if value not in known:
            raise RequestError(f"`{name}` is {value!r}; give {' or '.join(known)}")
    if request.options["text_tokens"] is not None:
        raise RequestError("`lyrics` and `text_tokens` were both given; give one of them")
    duration_s = settled(request.duration_s)
    frames = lengths.frames(duration_s)
    placement = lay_out(
        request.lyrics,
        frames=frames,
        frame_rate_hz=lengths.frame_rate_hz,
        end_s=frames / lengths.frame_rate_hz if causal else duration_s,
        drop_last=not lengths.full,
        tokenize=LYRICS_FORMS[form],
        lrc_rules=rules,
    )
    if not placement.lines:
        found = "; ".join(placement.remarks) or "they are empty"
        raise RequestError(
            f"no line of the lyrics can be sung: {found}. Write [mm:ss.xx]words, or leave the lyrics out for an "
            "instrumental song"
        )
    return placement


def token_row(request: GenerationRequest, placement: Placement | None, frames: int) -> Tensor:
    """Token of every frame, int64 ``[T]``, from the lyrics or ready-made; 0 (instrumental) where there are none."""
    tokens = request.options["text_tokens"] or [] if placement is None else placement.tokens()
    return torch.tensor([*tokens, *[0] * (frames - len(tokens))], dtype=torch.int64)


def check_options(
    options: Mapping[str, Any], placement: Placement | None, *, frames: int, num_embeds: int, steps: int
) -> None:
    """Check tokens against the song's length and the vocabulary, and ``sway``. Raises ``RequestError``."""
    if placement is not None and max(placement.tokens()) > num_embeds:
        raise RequestError(f"the lyrics need token {max(placement.tokens())}; this model knows ids up to {num_embeds}")
    tokens, sway = options["text_tokens"], options["sway"]
    if tokens is not None:
        if isinstance(tokens, str) or not isinstance(tokens, Sequence) or not all(type(n) is int for n in tokens):
            raise RequestError("`text_tokens` is not a list of whole numbers; give one token id per frame")
        if len(tokens) > frames:
            raise RequestError(
                f"`text_tokens` has {len(tokens)} tokens; the song has {frames} frames, give at most as many"
            )
        if tokens and not 0 <= min(tokens) <= max(tokens) <= num_embeds:
            raise RequestError(f"`text_tokens` runs from {min(tokens)} to {max(tokens)}; ids are 0 to {num_embeds}")
    if sway is not None:
        if isinstance(sway, bool) or not isinstance(sway, int | float) or not math.isfinite(sway):
            raise RequestError(f"`sway` is {sway!r}; give a number, -1 for more points near the noise")
        times = time_grid(steps, sway)
        if any(t >= t_next for t, t_next in itertools.pairwise(times)):
            raise RequestError(f"`sway` {sway} makes the time run backwards; give -1 to 1")
