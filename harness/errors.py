"""Every error a user can cause, in one tree.

HarnessError
├── InputError        something the user gave cannot be used (exit code 2)
├── ExistsError       the output is already there and ``--force`` was not given (exit code 1)
├── TraceError        a trace file is damaged, foreign or too new (exit code 1)
├── DatasetError      the same for a data set file (exit code 1)
└── StorageError      disk full, not writable, in use by another process (exit code 1)

Messages say what was given, what is allowed, and what to do next. ``generators`` and ``analysis`` raise ``ValueError``
subclasses of their own; the command line shows those the same way.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base of all errors the harness raises on purpose."""

    exit_code = 1


class InputError(HarnessError, ValueError):
    """Something the user gave cannot be used."""

    exit_code = 2


class ExistsError(HarnessError):
    """The output is already there."""


class TraceError(HarnessError, ValueError):
    """A trace file is damaged, foreign, or newer than this version reads."""


class DatasetError(HarnessError, ValueError):
    """A data set file is damaged, foreign, unfinished, or newer than this version reads."""


class StorageError(HarnessError):
    """The disk is full, the place is not writable, or another process is using it."""
