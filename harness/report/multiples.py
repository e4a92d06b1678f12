"""Small multiples: accuracy of the clean estimate over t, one small chart a prompt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from analysis.bootstrap import Interval, bootstrap
from harness.report import plots
from harness.report.many import RunRow

MOST_PROMPTS, COLUMNS = 24, 3
ROW_HEIGHT = 150


@dataclass(frozen=True)
class Multiples:
    """Mean accuracy per prompt and property over the runs of the prompt."""

    prompts: Sequence[str]
    """The most frequent ones, at most ``MOST_PROMPTS``."""
    runs: Sequence[int]
    """Runs of each."""
    t: Sequence[NDArray[np.float64]]
    """Times of each, ``[S]``."""
    accuracy: Sequence[Mapping[str, Interval]]
    """Per prompt: property -> ``[S]``; the ends are NaN where there is one run."""

    @classmethod
    def of(cls, rows: Sequence[RunRow]) -> Multiples:
        """Group the runs by prompt; of a prompt's runs those that share the first one's times count."""
        counts = Counter(row.prompt for row in rows)
        prompts = [prompt for prompt, _ in counts.most_common(MOST_PROMPTS)]
        runs, times, accuracy = [], [], []
        for prompt in prompts:
            here = [row for row in rows if row.prompt == prompt]
            same = [row for row in here if np.array_equal(row.t, here[0].t)]
            names = dict.fromkeys(name for row in same for name in row.accuracy)
            runs.append(len(same))
            times.append(here[0].t)
            accuracy.append(
                {name: _over([row.accuracy[name] for row in same if name in row.accuracy]) for name in names}
            )
        return cls(prompts, runs, times, accuracy)

    def figure(self) -> go.Figure:
        """Draw a chart a prompt; they are titled by number, since a prompt is user text."""
        rows = math.ceil(len(self.prompts) / COLUMNS)
        figure = make_subplots(
            rows=rows,
            cols=min(COLUMNS, len(self.prompts)),
            shared_yaxes=True,
            vertical_spacing=min(0.2, 0.35 / rows),
            horizontal_spacing=0.03,
            subplot_titles=[f"prompt {index + 1}" for index in range(len(self.prompts))],
        )
        for index, (t, curves) in enumerate(zip(self.t, self.accuracy, strict=True)):
            for name, share in curves.items():
                series = plots.series(name)
                plots.band(figure, t, share, series, row=index + 1)
                figure.add_scatter(
                    x=t.astype(np.float32),
                    y=share.value.astype(np.float32),
                    name=name,
                    legendgroup=name,
                    showlegend=index == 0,
                    mode="lines",
                    line=plots.line(series),
                    hovertemplate=f"{name} %{{y:.0%}} at t = %{{x:.2f}}<extra></extra>",
                    row=index // COLUMNS + 1,
                    col=index % COLUMNS + 1,
                )
        figure.update_xaxes(range=[-0.02, 1.02])
        figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%")
        return plots.finish(figure, height=100 + ROW_HEIGHT * rows).update_layout(margin_t=70, legend_y=1 + 0.25 / rows)


def _over(rows: Sequence[NDArray[np.float64]]) -> Interval:
    """Mean over runs ``[R, S]`` with its bootstrap interval."""
    shares = np.stack(rows)
    if len(rows) == 1:
        return Interval(shares[0], np.full_like(shares[0], np.nan), np.full_like(shares[0], np.nan))
    counted = np.concatenate([shares, np.ones((len(rows), 1))], axis=1)
    return bootstrap(counted, np.arange(len(rows)), lambda sums: sums[..., :-1] / sums[..., -1:])
