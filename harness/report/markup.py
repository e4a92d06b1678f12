"""Turning panels into one HTML page. All text is escaped by the template engine unless it is ``Markup``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from harness.report.blocks import Figure, Panel

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; media-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing may be loaded; only the page's own two scripts, by their hashes, may run."""

LONG = 40
"""Characters of a table's cell above which it may take several lines."""


def render(title: str, panels: Sequence[Panel], notes: Sequence[str], heading: str = "Generation report") -> str:
    """Return the whole page; ``title`` names it in the browser, ``heading`` stands at its top."""
    environment = Environment(
        loader=PackageLoader("harness.report", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [Markup(get_plotlyjs()), Markup(_asset("report.js"))]
    return environment.get_template("page.html").render(
        title=title,
        heading=heading,
        policy=POLICY.format(scripts=" ".join(f"'sha256-{_digest(script)}'" for script in scripts)),
        style=Markup(_asset("report.css")),
        scripts=scripts,
        panels=panels,
        notes=notes,
        is_figure=lambda piece: isinstance(piece, Figure),
        figure_json=figure_json,
        table=table,
        tie=tie,
    )


def figure_json(figure: Figure) -> Markup:
    """Write a plotly figure as JSON that is safe inside a ``script`` element; plotly makes its arrays base64."""
    text: str = plotly.io.to_json(figure.plot)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text.replace("\\u002f", "/"))


def prompt_block(prompt: str) -> Markup:
    """Quote what was asked for."""
    if not prompt.strip():
        return Markup('<p class="prompt empty">(empty prompt)</p>')
    return Markup('<blockquote class="prompt" dir="auto" tabindex="0" aria-label="Prompt">{}</blockquote>').format(
        prompt
    )


def facts(values: Mapping[str, Any]) -> Markup:
    """Make a list of names and values."""
    rows = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in values.items())
    return Markup('<dl class="facts">{}</dl>').format(rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str, *, searchable: bool = False) -> Markup:
    """Make a table that scrolls inside its own frame; where asked, one to be searched and sorted by any column."""
    cell = '<th scope="col" aria-sort="none"><button type="button">{}</button></th>' if searchable else None
    heads = Markup("").join(Markup(cell or '<th scope="col">{}</th>').format(name) for name in head)
    body = Markup("\n").join(Markup("<tr>{}</tr>").format(Markup("").join(_cells(row))) for row in rows)
    framed = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(label, heads, body)
    search = Markup(
        '<p class="search"><label>Search <input type="search" autocomplete="off" spellcheck="false"></label>'
        '<span role="status">{} rows</span></p>'
    ).format(len(rows))
    return Markup('<div class="searchable">{}{}</div>').format(search, framed) if searchable else framed


def _cells(row: Sequence[str | Markup]) -> Iterator[Markup]:
    """Cells of a table's row; long text may take several lines, anything else stays on one."""
    for index, cell in enumerate(row):
        name, scope = ("td", "") if index else ("th", ' scope="row"')
        long = ' class="long"' if len(cell) > LONG and not isinstance(cell, Markup) else ""
        yield Markup(f"<{name}{scope}{long}>{{}}</{name}>").format(cell)


def tie(text: str) -> str:
    """Keep ``t = 0.25`` on one line."""
    return text.replace(" = ", "\u00a0=\u00a0")


def _asset(name: str) -> str:
    return files("harness.report").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
