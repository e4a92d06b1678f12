"""Are the three packages the ones that belong together? A user's own ``analysis.py`` may stand in front of ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.errors import HarnessError

HOME = Path(__file__).resolve().parent.parent
"""The folder that holds the three packages."""
PACKAGES = ("generators", "analysis", "harness")


def strangers() -> dict[str, Path]:
    """Return those of our packages that Python would import from elsewhere, and from where. Imports nothing."""
    found = {}
    for name in PACKAGES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else Path("(nowhere)")
        if origin != HOME / name / "__init__.py":
            found[name] = origin
    return found


def check_layout() -> None:
    """Raise ``HarnessError`` when ``generators`` or ``analysis`` is not the one beside ``harness``."""
    for name, origin in strangers().items():
        raise HarnessError(
            f"'import {name}' finds {origin}, not the package that belongs to harness in {HOME}; "
            "rename that file or folder, or run from another folder"
        )
