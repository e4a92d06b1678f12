"""The page and the tables of the study of Mariotte et al."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.markup import facts, table
from harness.reproduce.mariotte2025 import RAW, Results
from harness.reproduce.page import write_csv, write_page
from harness.reproduce.published import MARIOTTE

REPRESENTATIONS = {RAW: "encoder's own", "sae": "SAE", "random": "random dictionary"}
SCORES = ("completeness", "informativeness")
UNCHECKED = (
    "Published numbers are quoted from a public reading note on the paper, not checked against it; a dash is one that "
    "is not known here. Its split, checkpoints and probe may differ from these."
)


def write(results: Results, out: Path) -> dict[str, Any]:
    """Write ``report.html`` and ``table.csv``; return the study's JSON document."""
    study = results.study
    head = ["encoder", "layer", "architecture", "sparsity", "l0", "fvu", "accuracy", "low", "high", "majority"]
    cells = [
        [row["encoder"], layer(row), one["architecture"], one["sparsity"], one.get("l0"), one["fvu"]]
        + [one["accuracy"][part] for part in ("value", "low", "high", "majority")]
        for row in results.rows
        for one in row["readings"]
    ]
    csv = write_csv(out, head, cells)
    panels = [_overview(results), _layers(results), _disentanglement(results)]
    page = write_page(out, "Mariotte et al. 2025, repeated", panels, study.settings(), untrained=study.untrained)
    return {
        "report": str(page),
        "table": str(csv),
        "untrained": study.untrained,
        "label": results.inputs.label,
        "left_out": list(results.inputs.left_out),
        "rows": list(results.rows),
    }


def layer(row: Mapping[str, Any]) -> int:
    """Read the number of a row's layer."""
    return int(row["hook_point"].rpartition(".")[2])


def tables(results: Results) -> list[tuple[list[str], list[list[str]]]]:
    """Return the tables that are printed too."""
    return [sparsity_table(results), disentanglement_table(results)]


def sparsity_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return layers x sparsity: accuracy on the encoder's own vectors, on each SAE's code, and what was published."""
    sparsities = results.study.scale.sparsities
    control = f"random, {results.study.scale.held_apart:.0%}"
    head = ["encoder", "layer", "own", *(f"{value:.0%}" for value in sparsities), control, "commonest", "paper, own"]
    rows = []
    for row in results.rows:
        values = [f"{one['accuracy']['value']:.3f}" for one in row["readings"]]
        majority = f"{row['readings'][0]['accuracy']['majority']:.3f}"
        rows.append([short(row["encoder"]), str(layer(row)), *values, majority, published(row)])
    return head, rows


def published(row: Mapping[str, Any]) -> str:
    """Return what the paper is said to report for a row's encoder and layer, or a dash."""
    name = short(row["encoder"]).lower()
    found = [text for (kind, number), text in MARIOTTE.items() if name.startswith(kind) and number == layer(row)]
    return found[0] if found else "–"


def short(encoder: str) -> str:
    """Last part of a hub id or folder."""
    return Path(encoder).name


def disentanglement_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return the mean scores over factors of the three representations, per encoder and layer."""
    columns = ("completeness", "spread", "informativeness", "gap")
    head = ["encoder", "layer", "representation", *columns, "modularity"]
    rows = []
    for row in results.rows:
        for name, words in REPRESENTATIONS.items():
            scores = row["disentanglement"][name]
            means = [_mean([factor[column] for factor in scores["factors"].values()]) for column in columns]
            cells = [f"{mean:.3f}" for mean in (*means, _mean([scores["modularity"]]))]
            rows.append([short(row["encoder"]), str(layer(row)), words, *cells])
    return head, rows


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _overview(results: Results) -> Panel:
    best = max(results.rows, key=lambda row: float(row["readings"][0]["accuracy"]["value"]))
    used = results.inputs
    accuracy = best["readings"][0]["accuracy"]
    text = (
        f"{used.label.capitalize()} is told best from layer {layer(best)} of {short(best['encoder'])}: "
        f"{accuracy['value']:.0%} ({accuracy['low']:.0%} to {accuracy['high']:.0%}) of held-out files; the commonest "
        f"class alone would give {accuracy['majority']:.0%}."
    )
    kinds = sorted({used.classes[used.label][file.name] for file in used.files})
    about = {"files": str(len(used.files)), used.label: f"{len(kinds)} classes: {', '.join(kinds)}"}
    head, rows = sparsity_table(results)
    pieces: list[Markup | Figure] = [Markup('<p class="finding">{}</p>').format(text), facts(about)]
    pieces += [Markup('<p class="hint">{}</p>').format(note) for note in (*used.left_out, UNCHECKED)]
    return Panel("overview", "Accuracy by layer and sparsity", [*pieces, table(head, rows, "Layers and sparsity")])


def _layers(results: Results) -> Panel:
    figure = go.Figure()
    names = list(dict.fromkeys(row["encoder"] for row in results.rows))
    for index, name in enumerate(names):
        rows = [row for row in results.rows if row["encoder"] == name]
        for place, words, dash in ((0, "own", "solid"), (1 + _held(results), "SAE", "dot")):
            scores = [row["readings"][place]["accuracy"] for row in rows]
            y, low, high = (
                np.array([score[part] for score in scores], np.float32) for part in ("value", "low", "high")
            )
            figure.add_scatter(
                x=np.array([layer(row) for row in rows], np.float32),
                y=y,
                error_y={"type": "data", "array": high - y, "arrayminus": y - low, "thickness": 1},
                name=f"{short(name)}, {words}",
                line={"color": plots.SERIES[index % len(plots.SERIES)], "dash": dash},
                marker={"size": 7},
                hovertemplate="%{y:.3f} at layer %{x}<extra></extra>",
            )
    figure.update_xaxes(title="layer", dtick=1)
    figure.update_yaxes(title="accuracy", range=[0, 1])
    head, rows_text = sparsity_table(results)
    caption = (
        f"Accuracy of a linear probe on held-out files, with 95% intervals over files: the encoder's own vectors, and "
        f"the code of the SAE of {results.study.scale.held_apart:.0%} sparsity."
    )
    plot = Figure(
        "accuracy-layers",
        "The encoder's own vectors, and SAE codes",
        plots.finish(figure, 420),
        caption,
        Table(head, rows_text),
    )
    return Panel("layers", "Accuracy over layers", [plot])


def _held(results: Results) -> int:
    return results.study.scale.sparsities.index(results.study.scale.held_apart)


def _disentanglement(results: Results) -> Panel:
    head, rows = disentanglement_table(results)
    figures = [_factors(results, score, head, rows) for score in SCORES]
    text = (
        "Each score is a mean over the acoustic attributes. Completeness has one base per encoder; spread (over how "
        "many numbers an attribute is spread) needs none. Informativeness is R2 on held-out files and may be below 0. "
        "Lasso weights are the importances."
    )
    pieces: list[Markup | Figure] = [Markup("<p>{}</p>").format(text), table(head, rows, "Disentanglement"), *figures]
    return Panel("disentanglement", "Are attributes held apart?", pieces)


def _factors(results: Results, score: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Figure:
    """Draw one score per attribute, averaged over encoders and layers."""
    figure = go.Figure()
    names = list(results.rows[0]["disentanglement"][RAW]["factors"])
    means = {
        kind: [_mean([row["disentanglement"][kind]["factors"][name][score] for row in results.rows]) for name in names]
        for kind in REPRESENTATIONS
    }
    for index, (kind, words) in enumerate(REPRESENTATIONS.items()):
        figure.add_bar(x=names, y=np.array(means[kind], np.float32), name=words, marker={"color": plots.SERIES[index]})
    figure.update_layout(barmode="group")
    figure.update_yaxes(title=score, range=[0, 1])
    averages = ", ".join(f"{words} {_mean(means[kind]):.2f}" for kind, words in REPRESENTATIONS.items())
    caption = f"Mean {score} over encoders and layers: {averages}."
    caption += " Below 0 nothing is drawn." if score == "informativeness" else ""
    return Figure(f"{score}-factors", score.capitalize(), plots.finish(figure, 380), caption, Table(head, rows))
