"""The page and the tables of the study of Paek et al."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from analysis import properties
from harness.decoding.summary import finding, first_view
from harness.fitting.table import AMPLITUDE
from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.emergence import accuracy_figure, convergence_figure
from harness.report.markup import facts, table
from harness.report.players import common_gain, data_uri
from harness.reproduce.estimate import duration
from harness.reproduce.paek2025 import PROPERTIES, RAW, Results
from harness.reproduce.page import write_csv, write_page
from harness.reproduce.published import PAEK, PAEK_EMERGENCE, Range, as_range

READ = ("pitch", AMPLITUDE, "timbre")
"""What the paper reads; levels in dB (``loudness``) stand beside its linear amplitude."""


def write(results: Results, out: Path) -> dict[str, Any]:
    """Write ``report.html`` and ``table.csv``; return the study's JSON document."""
    columns = ["name", "architecture", "setting", "d_sae", "sparsity", "l0", "fvu", "dead"]
    read = (*READ, "loudness")
    parts = ("value", "low", "high", "majority")
    head = [*columns, *(f"{name}_{part}" for name in read for part in parts)]
    cells = [
        [*(row.get(name) for name in columns), *(row[name][part] for name in read for part in parts)]
        for row in results.rows
    ]
    csv = write_csv(out, head, cells)
    study = results.study
    found = [_overview(results), _sparsity(results), _manipulation(results), _emergence(results)]
    panels = [panel for panel in found if panel]
    page = write_page(out, "Paek et al. 2025, repeated", panels, study.settings(), untrained=study.untrained)
    return {
        "report": str(page),
        "table": str(csv),
        "untrained": study.untrained,
        "data": dict(results.dataset),
        "best": results.best["name"],
        "rows": list(results.rows),
        "emergence": {name: curve.to_json() for name, curve in first_view(results.curves).items()},
    }


def tables(results: Results) -> list[tuple[list[str], list[list[str]]]]:
    """Return the tables that are printed too."""
    return [sparsity_table(results), ranges_table(results)]


def sparsity_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return the paper's table: a row an SAE; after each accuracy the codec's published range, where there is one."""
    published = PAEK.get(results.study.codec.name, {})
    head = ["SAE", "setting", "sparsity", "l0", "fvu", "dead"]
    for name in READ:
        head += [name, f"{name}, paper"] if name in published else [name]
    rows = []
    for row in results.rows:
        setting = "–" if row.get("setting") is None else f"{row['setting']:g}"
        cells = [f"{row['architecture']} {row['d_sae']}", setting, f"{row['sparsity']:.3f}", f"{row['l0']:.1f}"]
        cells += [f"{row['fvu']:.3f}", f"{row['dead']:.1%}"]
        for name in READ:
            cells += [f"{row[name]['value']:.3f}", *([as_range(published[name])] if name in published else [])]
        rows.append(cells)
    return head, rows


def ranges_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return lowest and highest accuracy over the trained SAEs beside the published ranges of all codecs."""
    head = ["property", "paper's SAE, here", "topk, here", "latents themselves", "commonest class"]
    rows = []
    for name in READ:
        cells = [name, *(as_range(_range(results, kind, name)) for kind in ("rms", "topk"))]
        raw = next(row for row in results.rows if row["architecture"] == RAW)
        cells += [f"{raw[name]['value']:.2f}", f"{raw[name]['majority']:.2f}"]
        rows.append([*cells, *(as_range(ranges[name]) for ranges in PAEK.values())])
    return [*head, *(f"{codec}, paper" for codec in PAEK)], rows


def _range(results: Results, architecture: str, name: str) -> Range | None:
    values = [float(row[name]["value"]) for row in results.rows if row["architecture"] == architecture]
    return (min(values), max(values)) if values else None


def _overview(results: Results) -> Panel:
    data, best = results.dataset, results.best
    text = (
        f"Linear probes on the SAE used further ({best['architecture']}, {best['d_sae']} features, "
        f"fvu {best['fvu']:.3f}) read "
        + ", ".join(f"{name} in {best[name]['value']:.0%}" for name in READ)
        + " of held-out frames."
    )
    about = {
        "codec": results.codec.id,
        "audio": f"{duration(data['audio_s'])} in {data['files']} clips",
        "frames": f"{data['rows']} of {results.codec.latent_channels} channels",
        "frames per second": f"{results.codec.frame_rate_hz:.4g}",
    }
    head, rows = ranges_table(results)
    return Panel(
        "overview",
        "Accuracy beside the published ranges",
        [
            Markup('<p class="finding">{}</p>').format(text),
            facts(about),
            table(head, rows, "Accuracies beside the published ranges"),
            Markup('<p class="hint">{}</p>').format(
                "Published: other codecs, other audio (31 hours of music), pitch by CREPE. Ranges run over sparsities."
            ),
        ],
    )


def _sparsity(results: Results) -> Panel:
    figure = go.Figure()
    kinds = [kind for kind in ("rms", "topk", "random") if any(row["architecture"] == kind for row in results.rows)]
    for name in PROPERTIES:
        for index, kind in enumerate(kinds):
            rows = sorted((row for row in results.rows if row["architecture"] == kind), key=lambda row: row["sparsity"])
            figure.add_scatter(
                x=np.array([row["sparsity"] for row in rows], np.float32),
                y=np.array([row[name]["value"] for row in rows], np.float32),
                name=f"{name}, {kind}",
                mode="markers",
                marker={**plots.marker(PROPERTIES.index(name)), "symbol": ("circle", "diamond", "x")[index], "size": 9},
                hovertemplate="%{y:.3f} at sparsity %{x:.3f}<extra></extra>",
            )
    figure.update_xaxes(title="sparsity: share of features that are 0")
    figure.update_yaxes(title="accuracy", range=[0, 1])
    head, rows_text = sparsity_table(results)
    best = results.best
    caption = (
        f"Accuracy of linear probes on held-out files over sparsity. Used further: {best['name']}, "
        f"sparsity {best['sparsity']:.3f}, fvu {best['fvu']:.3f}."
    )
    plot = Figure(
        "accuracy-sparsity", "Accuracy over sparsity", plots.finish(figure, 420), caption, Table(head, rows_text)
    )
    return Panel("sparsity", "Sparsity table", [table(head, rows_text, "Sparsity table"), plot])


def _manipulation(results: Results) -> Panel | None:
    if not results.examples:
        return None
    gain = common_gain(*(clip for example in results.examples for clip in (example.before, example.after)))
    rows = []
    for example in results.examples:
        players = [
            Markup('<audio controls preload="none" src="{}" aria-label="{}"></audio>').format(
                data_uri(audio * gain, results.codec.sample_rate_hz), label
            )
            for audio, label in ((example.before, "before"), (example.after, "after"))
        ]
        moved = [_change(name, example.moved[name]) for name in PROPERTIES]
        rows.append([example.name, f"{example.property} {_change(example.property, example.asked)}", *moved, *players])
    head = ["file", "asked", *(f"{name}, median change" for name in PROPERTIES), "before", "after"]
    text = (
        "Mean codes of the asked class minus those of the measured one are added to every frame's features. What moved "
        "is measured on the decoded sound; all players share one gain."
    )
    return Panel(
        "manipulation",
        "Changing one property",
        [Markup("<p>{}</p>").format(text), table(head, rows, "Changed excerpts")],
    )


def _change(name: str, value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.2f} {properties.load(name).unit.partition(' ')[0]}"


def _emergence(results: Results) -> Panel | None:
    estimated = first_view(results.curves)
    if not estimated:
        return None
    head = ["property", "accuracy, last step", "half of the frames are final", "published convergence (DiffRhythm)"]
    rows = []
    for name, curve in estimated.items():
        commit = f"step {int(curve.commit_step.value)} (t = {curve.commit_t:.2f})"
        rows.append([name, f"{float(curve.accuracy.value[-1]):.3f}", commit, PAEK_EMERGENCE.get(name, "–")])
    numbers = Table(head, rows)
    runs = results.study.scale.prompts
    figures = [
        Figure(
            "curves",
            "Accuracy against the final audio",
            accuracy_figure(results.curves, list(estimated)),
            f"{runs} prompts. {finding(results.curves)}",
            numbers,
        ),
        Figure(
            "convergence",
            "Distance to the last decode",
            convergence_figure(estimated),
            "The published metric (0 at the first state, 1 at the last by construction) above the stable one.",
            numbers,
        ),
    ]
    return Panel("emergence", "Emergence over denoising steps", [table(head, rows, "When it is decided"), *figures])
