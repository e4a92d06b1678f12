"""How every figure of a report is drawn: colours, axes, sizes. No colour carries meaning alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.bootstrap import Interval

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Four of Okabe and Ito's colours, which reach a contrast of 3:1 against both the white and the dark page."""
_PROPERTIES = ("pitch", "loudness", "timbre")
_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
_DASHES = ("solid", "dash", "dashdot", "dot")
NEUTRAL = "#808790"
MAX_POINTS = 512
"""Most frames drawn in a row; longer ones are thinned."""
_TICK_SPACINGS = {"pitch": (12, 6, 3, 1), "timbre": (1, 0.5, 0.25), "loudness": (20, 10, 5, 1)}
"""Distances of ticks in a property's unit, coarsest first: octaves start at C, brightness doubles."""


def series(name: str) -> int:
    """Index of a property's colour, dash and symbol: the same in every figure."""
    return _PROPERTIES.index(name) if name in _PROPERTIES else len(_PROPERTIES)


def line(index: int) -> dict[str, Any]:
    """Line style of the ``index``-th series: its own colour and dash, thinner than the one it may cover."""
    return {"color": SERIES[index], "dash": _DASHES[index], "width": 3 - 0.5 * index}


def marker(index: int) -> dict[str, Any]:
    """Marker style of the ``index``-th series, smaller than the one it may cover."""
    return {"color": SERIES[index], "symbol": _SYMBOLS[index], "size": 12 - 2 * index}


def thin(count: int, limit: int = MAX_POINTS) -> NDArray[np.int64]:
    """Choose indices of at most ``limit`` of ``count`` items, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def ticks(name: str, write: Callable[[float], str], low: float, high: float) -> dict[str, Any]:
    """Three ticks or more where the spacings allow, between ``low`` and ``high``, in the property's own words."""
    values: list[float] = []
    for spacing in _TICK_SPACINGS[name]:
        values = [spacing * k for k in range(math.ceil(low / spacing), math.floor(high / spacing) + 1)]
        if len(values) >= 3:
            break
    return {"tickvals": values, "ticktext": [write(value) for value in values]}


def heatmap(x: NDArray[np.float32], y: Any, z: NDArray[Any], unit: str, **options: Any) -> go.Heatmap:
    """Heat map of float32 or int8 ``z [len(y), len(x)]`` in an even scale that does not need colour vision."""
    colorbar = {"title": {"text": unit, "side": "right"}, "thickness": 10, "outlinewidth": 0, "xpad": 4}
    colorbar |= options.pop("colorbar", {})
    return go.Heatmap(x=x, y=y, z=z, colorscale="Viridis", colorbar=colorbar, **options)


def band(
    figure: go.Figure, t: NDArray[np.float64], interval: Interval, index: int, row: int = 1, **options: Any
) -> None:
    """Fill between the ends of an interval in the colour of the ``index``-th series; where it is undefined, nothing.

    ``row`` counts the subplots of ``figure``, row by row.
    """
    defined = np.isfinite(interval.low) & np.isfinite(interval.high)
    if not defined.any():
        return
    red, green, blue = (int(SERIES[index][i : i + 2], 16) for i in (1, 3, 5))
    t, low, high = t[defined], interval.low[defined], interval.high[defined]
    figure.add_scatter(
        x=np.concatenate([t, t[::-1]]).astype(np.float32),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.18)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        xaxis="x" if row == 1 else f"x{row}",
        yaxis="y" if row == 1 else f"y{row}",
        **options,
    )


def finish(figure: go.Figure, height: int) -> go.Figure:
    """Give ``figure`` the house layout; the page recolours text and grid to its theme."""
    named = sum(trace.type != "heatmap" and trace.showlegend is not False for trace in figure.data)
    headed = len(figure.layout.annotations) > 0 or named > 1
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 16, "t": 32 if headed else 8, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(gridcolor="#d8dee4", zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor="#d8dee4", zeroline=False, automargin=True)
    return figure
