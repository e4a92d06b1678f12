"""How results show themselves in a notebook: a small table, and a line where there is one. Everything is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 320, 80
COLOUR = "#0072B2"


def facts_html(title: str, facts: Mapping[str, object], picture: str = "") -> str:
    """Write a title, a table of names and values, and a ready ``picture`` as HTML."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(str(name))}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><strong>{escape(title)}</strong>{picture}<table>{rows}</table></div>"


def line_svg(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    label: str,
) -> str:
    """Draw ``y [S]`` in 0..1 over ``x [S]`` in 0..1 as an SVG, the interval filled where it is finite."""
    defined = np.isfinite(low) & np.isfinite(high)
    band = np.concatenate([np.stack([x, high], axis=1)[defined], np.stack([x, low], axis=1)[defined][::-1]])
    drawn = np.stack([x, y], axis=1)[np.isfinite(y)]
    frame = f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
    return (
        f'<svg viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(label)}" style="display:block">{frame}'
        f'<polygon points="{_points(band)}" fill="{COLOUR}" fill-opacity="0.18"/>'
        f'<polyline points="{_points(drawn)}" fill="none" stroke="{COLOUR}" stroke-width="2"/></svg>'
    )


def _points(places: npt.NDArray[np.float64]) -> str:
    return " ".join(f"{WIDTH * x:.1f},{HEIGHT * (1 - y):.1f}" for x, y in places)
