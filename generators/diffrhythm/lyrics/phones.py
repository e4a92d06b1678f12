"""The phones the model knows and their token ids; 0 is the filler of frames without lyrics."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from importlib import resources

COMMA, END_OF_LINE = 1, 2
"""Ids of the phones ``,`` and ``.``; the second closes every line, and stands nowhere else."""


@functools.cache
def phone_ids() -> Mapping[str, int]:
    """Token id of every phone, 1 to 363."""
    text = (resources.files(__package__) / "phones.json").read_text(encoding="utf-8")
    return {phone: index for index, phone in enumerate(json.loads(text)["phones"], start=1)}


def phones_of(ids: Iterable[int]) -> tuple[str, ...]:
    """Phones of token ids."""
    names = ("", *phone_ids())
    return tuple(names[index] for index in ids)


def ids_of(phones: Iterable[str]) -> tuple[int, ...]:
    """Token ids of ``phones``; those the model does not know are dropped, as in the original."""
    known = phone_ids()
    return tuple(known[phone] for phone in phones if phone in known)
