"""What a panel is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup


@dataclass(frozen=True)
class Table:
    """The numbers behind a figure; everything but ``Markup`` is escaped."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Markup]]


@dataclass(frozen=True)
class Figure:
    """One figure with the sentence it proves and its numbers."""

    id: str
    """Unique in the page; names the element."""
    title: str
    plot: go.Figure
    caption: str
    """What the figure shows, computed from the data. No user text goes into ``plot`` itself."""
    table: Table
    table_title: str = "Numbers behind this figure"
    views: Sequence[str] = ()
    """Names of what the reader may switch between: view i shows the traces whose ``meta`` is i, and those of -1."""
    views_label: str = "Show"

    def figure(self) -> go.Figure:
        """Return the plotly figure, to draw it elsewhere."""
        return self.plot


@dataclass(frozen=True)
class Panel:
    """One section of the page."""

    id: str
    title: str
    pieces: Sequence[Markup | Figure]
    """In reading order."""

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures among the pieces, by id."""
        return {piece.id: piece for piece in self.pieces if isinstance(piece, Figure)}
