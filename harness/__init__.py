"""Watch, decode and steer audio diffusion.

``open_trace`` reads what ``harness generate --trace`` wrote. Importing this package is light: no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.store.reader import open_trace as open_trace

__version__ = "0.1.0"
__all__ = ["__version__", "open_trace"]


def __getattr__(name: str) -> Any:
    if name == "open_trace":
        from harness.store.reader import open_trace

        return open_trace
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
