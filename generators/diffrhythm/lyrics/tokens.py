"""From lyrics to one token per latent frame."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from generators.base import RequestError
from generators.diffrhythm.lengths import BASE, FULL
from generators.diffrhythm.lyrics.lrc import LRC_RULES, Line, summed_up
from generators.diffrhythm.lyrics.phones import ids_of, phone_ids
from generators.diffrhythm.lyrics.placement import PlacedLine, frame_tokens, place
from generators.diffrhythm.lyrics.pronunciation import pronounce

Tokenize = Callable[[str], Sequence[int]]
"""Words of one line to token ids, without the end of the line."""


class Placement(NamedTuple):
    """Lyrics on the frames of a song."""

    lines: tuple[PlacedLine, ...]
    frames: int
    frame_rate_hz: float
    remarks: tuple[str, ...]
    """What is not sung, or not as written, for the user."""

    def tokens(self) -> list[int]:
        """One token per frame."""
        return frame_tokens(self.lines, self.frames)


def tokens_from_lrc(text: str, *, audio_length_s: float, tokenize: Tokenize | None = None) -> Tensor:
    """Lay LRC lyrics out as the published commands do, int64 ``[T]``; zeros (instrumental) without lyrics.

    Parameters
    ----------
    text
        Read by the original's rules, ``generators.diffrhythm.lyrics.lrc.read_original``.
    audio_length_s
        95 for a base model, T = 2048, which leaves the last line out; 96 to 285 for a full-length model.
    tokenize
        Gives the token ids of a line's words; None = Chinese and English are pronounced, which takes the packages of
        the extra ``lyrics``.

    Raises
    ------
    RequestError
        For another length, and for words that cannot be pronounced.
    """
    placement = place_in_song(text, audio_length_s=audio_length_s, tokenize=tokenize or spoken_ids)
    return torch.tensor(placement.tokens(), dtype=torch.int64)


def place_in_song(text: str, *, audio_length_s: float, tokenize: Tokenize, lrc_rules: str = "original") -> Placement:
    """Lay lyrics out in a song of a published model; see ``tokens_from_lrc`` and ``lay_out``."""
    lengths = BASE if audio_length_s == BASE.longest_s else FULL
    if not lengths.shortest_s <= audio_length_s <= lengths.longest_s or audio_length_s != int(audio_length_s):
        raise RequestError(
            f"`audio_length_s` is {audio_length_s:g}; give {BASE.longest_s:g} (base models) or a whole number from "
            f"{FULL.shortest_s:g} to {FULL.longest_s:g} (full-length models)"
        )
    return lay_out(
        text,
        frames=lengths.frames(audio_length_s),
        frame_rate_hz=lengths.frame_rate_hz,
        end_s=audio_length_s,
        drop_last=not lengths.full,
        tokenize=tokenize,
        lrc_rules=lrc_rules,
    )


def lay_out(
    text: str,
    *,
    frames: int,
    frame_rate_hz: float,
    end_s: float,
    drop_last: bool,
    tokenize: Tokenize,
    lrc_rules: str = "original",
) -> Placement:
    """Read lyrics and give every line its frames.

    Parameters
    ----------
    text
        LRC.
    frames, frame_rate_hz
        Length and rate of the song.
    end_s
        Lines from this time on are left out.
    drop_last
        Leave the last of the remaining lines out too.
    tokenize
        Gives the token ids of a line's words.
    lrc_rules
        One of ``LRC_RULES``.
    """
    reading = LRC_RULES[lrc_rules](text)
    lines = [line for line in reading.lines if line.time_s < end_s]
    remarks = [*reading.remarks]
    late = [line.number for line in reading.lines if not line.time_s < end_s]
    if late:
        remarks.append(f"{summed_up(late)} not sung: the song ends at {round(end_s, 2):g} s")
    if drop_last and lines:
        last = lines.pop()
        remarks.append(
            f"line {last.number} is not sung: models of this length leave the last line out, since nothing says where "
            "it ends; add a line after it"
        )
    tokens = [_ids(line, tokenize) for line in lines]
    silent = [line.number for line, ids in zip(lines, tokens, strict=True) if not ids]
    if silent:
        remarks.append(f"{summed_up(silent)} empty to the model: no Chinese or English word in it")
    placed = place(lines, tokens, frames=frames, frame_rate_hz=frame_rate_hz)
    cut = [entry.line.number for entry in placed if entry.cut_tokens]
    if cut:
        remarks.append(f"{summed_up(cut)} cut by the end of the song")
    return Placement(tuple(placed), frames, frame_rate_hz, tuple(remarks))


@functools.lru_cache(maxsize=4096)
def spoken_ids(words: str) -> tuple[int, ...]:
    """Token ids of Chinese and English words."""
    return ids_of(pronounce(words))


def phone_string_ids(words: str) -> tuple[int, ...]:
    """Token ids of phones that are written out, ``h|ə|l|oʊ``. Raises ``RequestError`` for one that does not exist."""
    phones = [phone for phone in words.split("|") if phone]
    unknown = [phone for phone in phones if phone not in phone_ids()]
    if unknown:
        raise RequestError(f"no phone {unknown[0]!r}; write the model's phones with | between them, as in h|ə|l|oʊ")
    return ids_of(phones)


def listed_ids(words: str) -> tuple[int, ...]:
    """Token ids that are written out, ``42 58 51 24``. Raises ``RequestError`` for anything else."""
    largest = len(phone_ids())
    try:
        ids = tuple(int(word) for word in words.split())
    except ValueError:
        raise RequestError(f"{words!r} are not token ids; write whole numbers with blanks between them") from None
    if not all(1 <= number <= largest for number in ids):
        raise RequestError(f"token ids run from 1 to {largest}; the line has {min(ids)} to {max(ids)}")
    return ids


LYRICS_FORMS: Mapping[str, Tokenize] = {"words": spoken_ids, "phones": phone_string_ids, "ids": listed_ids}
"""What the text after the stamps may be, by name."""


def _ids(line: Line, tokenize: Tokenize) -> Sequence[int]:
    try:
        return [int(token) for token in tokenize(line.words)]
    except RequestError as error:
        raise RequestError(f"lyrics, line {line.number}: {error}") from None
