"""Real traces of the closed-form generator, and a parser for the pages that are built from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from generators.base import GenerationRequest, HookPoint
from generators.closed_form import ClosedFormGenerator
from harness.store.reader import Trace, open_trace
from harness.tracing import Tracer

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Stop(Exception):
    """Ends a generation half-way."""


@dataclass
class StopAt:
    """A hook that stops the sampler at a step."""

    step: int

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t" and point.step == self.step

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        raise Stop


MakeTrace = Callable[..., Trace]


@pytest.fixture
def make_trace(generator: ClosedFormGenerator, tmp_path: Path) -> Iterator[MakeTrace]:
    """Generate and open a trace; ``audio`` replaces what was generated, ``stop_at`` kills the run at a step."""
    opened: list[Trace] = []

    def make(
        prompt: str = "A4 loud",
        *,
        steps: int = 6,
        duration_s: float = 0.5,
        seed: int = 0,
        audio: np.ndarray | None = None,
        stop_at: int | None = None,
        scale: float = 0.0,
    ) -> Trace:
        request = GenerationRequest(
            prompt, duration_s=duration_s, num_inference_steps=steps, seed=seed, guidance_scale=scale
        )
        path = tmp_path / f"trace-{len(opened)}.h5"
        stops = [] if stop_at is None else [StopAt(stop_at)]
        with suppress(Stop), Tracer(generator, [request], [path]) as tracer:
            (generation,) = generator.generate_batch([request], hooks=[*stops, tracer])
            tracer.finish([generation if audio is None else replace(generation, audio=audio)])
        opened.append(open_trace(path))
        return opened[-1]

    yield make
    for trace in opened:
        trace.close()


@dataclass
class Element:
    """One element, its text and its attributes."""

    tag: str
    attributes: dict[str, str | None]
    parent: Element | None
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Descendants with this tag and these attributes, in document order."""
        found = []
        for child in self.children:
            fits = child.tag == (tag or child.tag)
            if fits and all(child.attributes.get(name.strip("_")) == value for name, value in attributes.items()):
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    @property
    def content(self) -> str:
        """Text of the element and its descendants."""
        return self.text + "".join(child.content for child in self.children)


class Page(HTMLParser):
    """A parsed page; unbalanced tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self._open = Element("", {}, None)
        self.feed(html)
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_endtag(self, tag: str) -> None:
        assert self._open.tag == tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.text += data

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        return self.root.all(tag, **attributes)

    def one(self, tag: str = "", **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def plots(self) -> dict[str, Any]:
        """Figure id -> its plotly specification."""
        return {
            str(script.attributes["data-for"]): json.loads(script.content)
            for script in self.all("script", type="application/json")
        }


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Page]:
    return lambda path: Page(path.read_text(encoding="utf-8"))
