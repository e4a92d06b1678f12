"""What a result was made with: versions, hardware, weights. Collected on request, stored beside every result."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from generators.base import Generator
from harness import __version__

PACKAGES = ("torch", "numpy", "scipy", "diffusers", "transformers", "librosa", "soundfile", "soxr", "h5py", "plotly")
"""Distributions whose version can change a result or a file."""


def versions() -> dict[str, str]:
    """Version of this project, of Python, and of every installed package of ``PACKAGES``."""
    installed = {name: _installed(name) for name in PACKAGES}
    found = {name: release for name, release in installed.items() if release is not None}
    return {"audio-diffusion-harness": __version__, "python": platform.python_version(), **found}


def hardware(device: str = "cpu") -> dict[str, Any]:
    """Processor, cores, threads torch uses, memory, and the accelerator behind ``device``. No host or user name."""
    gpu = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory_bytes": _memory_bytes(),
        "gpu": gpu,
    }


def describe(generator: Generator) -> dict[str, Any]:
    """Everything about ``generator`` and its surroundings that belongs beside a result, as JSON-ready values."""
    device = next((str(parameter.device) for parameter in generator.denoiser.parameters()), "cpu")
    return {
        "generator": {
            "id": generator.id,
            "weights_sha256": generator.weights_sha256,
            "device": device,
            "load": dict(generator.load_settings),
            "licences": dict(generator.licences),
        },
        "codec": {"id": generator.codec.id, "weights_sha256": generator.codec.weights_sha256},
        "versions": versions(),
        "hardware": hardware(device),
    }


@functools.cache
def _installed(name: str) -> str | None:
    """Release of an installed distribution. Kept, because finding one out means parsing all of its metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@functools.cache
def _processor() -> str:
    """Model name of the CPU; the standard library knows it on few systems. Kept, since it is read from a long text."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    """Physical memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
