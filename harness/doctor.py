"""Checks of the installation, each a function that returns what it found and what to do about it."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.layout import HOME, PACKAGES, strangers

State = Literal["ok", "warning", "failure"]

DISTRIBUTION = "audio-diffusion-harness"

OPTIONAL_PROGRAMS = {
    "chromium": "only the browser tests of the report need it: apt install chromium",
    "espeak-ng": "only DiffRhythm's lyrics need it: apt install espeak-ng",
}

IMPORTED_AS = {"pyyaml": "yaml", "scikit_learn": "sklearn"}
"""Packages that import under another name than they are installed by."""

MANIFEST = "SHA256SUMS"
"""Beside shipped weights, in the form sha256sum writes: ``digest  file``."""

LOW_DISK_BYTES = 1 << 30
NO_DISK_BYTES = 100 << 20


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    state: State
    """A failure means that the harness does not work; a warning, that a part of it does not."""
    found: str
    advice: str | None = None
    """What to do; None when there is nothing to do."""


def examine() -> list[Check]:
    """Run every check. Imports every essential package, so it takes a few seconds."""
    ours = [python(), packages(), weights(HOME), disk(Path.cwd())]
    return [*ours, *map(essential, dependencies()), torchaudio(), accelerator(), *map(program, OPTIONAL_PROGRAMS)]


def python() -> Check:
    """Name the interpreter."""
    return Check("python", "ok", f"{platform.python_version()} at {sys.executable}")


def packages() -> Check:
    """Check that the three packages belong together."""
    foreign = strangers()
    if not foreign:
        return Check("packages", "ok", f"harness, generators and analysis in {HOME}")
    found = ", ".join(f"'import {name}' finds {origin}" for name, origin in foreign.items())
    return Check(
        "packages", "failure", found, f"they belong in {HOME}; rename what stands in front, or leave that folder"
    )


def dependencies() -> list[str]:
    """Names of the packages ours cannot do without, as its installation declares them."""
    try:
        declared = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from a source tree that was never installed
        return ["torch", "numpy"]
    names = [re.split(r"[^A-Za-z0-9_-]", line, maxsplit=1)[0] for line in declared if "extra ==" not in line]
    return sorted(name.lower().replace("-", "_") for name in names)


def essential(name: str) -> Check:
    """Check that a package we depend on is there and imports."""
    try:
        import_module(IMPORTED_AS.get(name, name))
        return Check(name, "ok", version(name))
    except (ImportError, PackageNotFoundError):
        return Check(name, "failure", "not installed, or one of its own parts is missing", f"pip install {name}")
    except Exception as error:  # a broken binary can raise anything
        found = f"installed but does not import: {type(error).__name__}: {error}"
        return Check(name, "failure", found, f"pip install --force-reinstall {name}")


def accelerator() -> Check:
    """Say what torch can run on."""
    torch = import_module("torch") if find_spec("torch") else None
    if torch is None or not torch.cuda.is_available():
        return Check("device", "ok", "cpu")
    return Check("device", "ok", f"cpu, cuda ({torch.cuda.get_device_name()})")


def torchaudio(load: Callable[[str], object] = import_module) -> Check:
    """Notice a torchaudio that does not fit torch: transformers and diffusers then fail far from the cause."""
    try:
        load("torchaudio")
    except ModuleNotFoundError:
        return Check("torchaudio", "ok", "not installed, not needed")
    except Exception as error:
        found = f"installed but broken: {type(error).__name__}: {error}"
        advice = "pip uninstall torchaudio (nothing here needs it), or install the build that matches torch"
        return Check("torchaudio", "warning", found, advice)
    return Check("torchaudio", "ok", "installed and importable")


def weights(home: Path) -> Check:
    """Compare the weights shipped inside the packages with the manifests beside them."""
    again = "install the package again, or git checkout that folder"
    manifests = sorted(manifest for package in PACKAGES for manifest in (home / package).rglob(MANIFEST))
    if not manifests:
        return Check("weights", "failure", f"no {MANIFEST} in {home}: there are no shipped weights", again)
    listed = [
        (manifest.parent / name.strip().lstrip("*"), digest)
        for manifest in manifests
        for digest, name in (line.split(maxsplit=1) for line in manifest.read_text(encoding="utf-8").splitlines())
    ]
    for file, digest in listed:
        if not file.is_file():
            return Check("weights", "failure", f"{file} is missing", again)
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            return Check("weights", "failure", f"{file} is not what was shipped (another SHA-256)", again)
    return Check("weights", "ok", f"{len(listed)} files are what was shipped")


def disk(folder: Path) -> Check:
    """Check that runs have room."""
    free = shutil.disk_usage(folder).free
    found = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free < LOW_DISK_BYTES:
        return Check(
            "disk", "failure" if free < NO_DISK_BYTES else "warning", found, "a long trace takes 50 MB and more"
        )
    return Check("disk", "ok", found)


def program(name: str) -> Check:
    """Look for a program only a part of the project uses."""
    path = shutil.which(name)
    return Check(name, "ok", path) if path else Check(name, "warning", "not installed", OPTIONAL_PROGRAMS[name])
