"""The ``encodec`` package, where it is installed, whatever state the torchaudio beside it is in."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from torch import nn

from generators.codecs.encodec.settings import EncodecSettings

MODULES = "encodec.modules"


def find_modules() -> ModuleType | None:
    """Import ``encodec.modules``; None where the package is not installed or lacks something besides torchaudio.

    The package imports torchaudio, uses it only to read, write and resample files, and declares a release of it that
    does not import beside a torch without CUDA. Where that fails, an empty stand-in takes its place for the moment of
    the import and is gone afterwards, so that nothing else mistakes it for the real one.
    """
    if find_spec("encodec") is None:
        return None
    try:
        return importlib.import_module(MODULES)
    except Exception:  # a broken binary can raise anything
        _forget("encodec", "torchaudio")
    try:
        with _stand_in("torchaudio"):
            return importlib.import_module(MODULES)
    except ImportError:
        _forget("encodec")
        return None


def build_coders(modules: ModuleType, settings: EncodecSettings) -> tuple[nn.Module, nn.Module]:
    """Make encoder and decoder with random weights."""
    values = {
        "channels": settings.channels,
        "dimension": settings.latent_channels,
        "n_filters": settings.num_filters,
        "ratios": list(settings.strides),
        "norm": settings.norm,
        "causal": settings.causal,
    }
    with warnings.catch_warnings():
        # It uses a kind of weight norm that torch has deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        return modules.SEANetEncoder(**values), modules.SEANetDecoder(**values)


@contextmanager
def _stand_in(name: str) -> Iterator[None]:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)  # find_spec raises on a module without one
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


def _forget(*packages: str) -> None:
    """Drop what a failed import left behind."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
