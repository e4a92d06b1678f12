"""Trajectory: how the decoded properties, the state and the velocity move from step to step."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from harness.report import plots
from harness.report.blocks import Figure, Panel, Table
from harness.report.certainty import VIEW_NAMES, Certainty
from harness.report.context import Context
from harness.report.latents import MAX_ROWS, Energy, Norms
from harness.report.path import LatentPath
from harness.report.tracks import NONE, Tracks, typical


def panel(context: Context) -> Panel:
    """One heat map a property, certainty, energies, norms and the way through latent space."""
    if not context.tracks:
        return Panel("trajectory", "Trajectory", [Markup("<p>No step was finished, so there is nothing to draw.</p>")])
    energy = Energy.of(context.trace)
    norms = Norms.of(context.trace)
    pieces: list[Markup | Figure] = []
    pieces += [_property(track, context) for track in context.tracks]
    if context.decoded is not None and (certainty := Certainty.of(context.decoded)).names:
        pieces.append(_certainty(certainty))
    pieces += [_energy(energy), _norms(norms)]
    if (path := LatentPath.of(context.trace)) is not None:
        pieces.append(_path(path))
    return Panel("trajectory", "Trajectory", pieces)


def _property(track: Tracks, context: Context) -> Figure:
    first, last = track.typical(0), track.typical(-1)
    rows = [
        [str(step), f"{t:.2f}", track.typical(row), f"{np.isfinite(track.values[row]).mean():.0%}"]
        for row, (step, t) in enumerate(zip(track.steps, track.t, strict=True))
    ]
    rows.append(["final", "1.00", typical(track.measured, track.final), f"{np.isfinite(track.final).mean():.0%}"])
    moved = _moved(track.name, first, last)
    settled = f"It matches {track.settled}." if track.exists else "There is nothing to compare."
    blank = "" if np.isfinite(track.values).all() else f" Blank: no {track.name}."
    return Figure(
        f"trajectory-{track.name}",
        f"{_capitalised(track.name)} of the clean estimate",
        track.figure(),
        f"Decoded {track.name} of the clean estimate, step by step, with the {context.final_name} below: "
        f"{moved}. {settled}{blank}",
        Table(["step", "t", f"{track.name}, median", "frames that have it"], rows),
    )


def _certainty(certainty: Certainty) -> Figure:
    names, middle = certainty.names, len(certainty.steps) // 2
    columns = [(view, name) for name in names for view in VIEW_NAMES]
    means = {column: certainty.mean(*column) for column in columns}
    halfway = [f"{name} {means['x1_hat', name][middle]:.2f} and {means['x_t', name][middle]:.2f}" for name in names]
    rows = [
        [str(step), *(f"{means[column][row]:.2f}" for column in columns)] for row, step in enumerate(certainty.steps)
    ]
    return Figure(
        "certainty",
        "Probability of what the sound will be",
        certainty.figure(),
        "The probes' probability of the class that the final sound has, at each step and time. Half-way, at step "
        f"{certainty.steps[middle]}, on average in the clean estimate and in the state: {'; '.join(halfway)}. "
        "Blank: the final sound has no such class there.",
        Table(["step", *(f"{name}, {view}" for view, name in columns)], rows),
        views=[*VIEW_NAMES.values()],
    )


def _path(path: LatentPath) -> Figure:
    length = [float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum()) for way in (path.x_t, path.x1_hat)]
    direct = [float(np.linalg.norm(way[-1] - way[0])) for way in (path.x_t, path.x1_hat)]
    detour = [way / straight if straight else 1.0 for way, straight in zip(length, direct, strict=True)]
    rows = [
        [str(step), *(f"{value:.2f}" for value in (*state, *estimate))]
        for step, state, estimate in zip(path.steps, path.x_t, path.x1_hat, strict=True)
    ]
    return Figure(
        "latent-path",
        "The way through latent space",
        path.figure(),
        f"Two principal components show {path.explained.sum():.0%} of how the states vary. In this plane the state's "
        f"way is {detour[0]:.2f} times as long as the straight line between its ends, the clean estimate's "
        f"{detour[1]:.2f} times.",
        Table(["step", "x_t, 1", "x_t, 2", "x1_hat, 1", "x1_hat, 2"], rows),
    )


def _energy(energy: Energy) -> Figure:
    x_t, x1_hat = energy.x_t.mean(axis=1), energy.x1_hat.mean(axis=1)
    caption = (
        f"From step {energy.steps[0]} to {energy.steps[-1]} the state's RMS goes from {x_t[0]:.2f} to "
        f"{x_t[-1]:.2f} and the clean estimate's from {x1_hat[0]:.2f} to {x1_hat[-1]:.2f}, averaged over frames."
    )
    rows = [[str(step), f"{a:.3f}", f"{b:.3f}"] for step, a, b in zip(energy.steps, x_t, x1_hat, strict=True)]
    return Figure(
        "energy",
        "Energy per frame",
        energy.figure(),
        caption,
        Table(["step", "x_t", "x1_hat"], rows),
    )


def _norms(norms: Norms) -> Figure:
    steps = len(norms.x_t)
    caption = f"Over {steps} steps the state's RMS goes from {norms.x_t[0]:.2f} to {norms.x_t[-1]:.2f}"
    if steps > 1:
        turn = int(np.argmax(norms.velocity_change))
        caption += (
            f"; the velocity changes most from step {turn} to {turn + 1} "
            f"(by {norms.velocity_change[turn]:.2f}, its own RMS there is {norms.velocity[turn]:.2f}) and turns by "
            f"{norms.velocity_turn.sum():.0f} degrees in all"
        )
    rows = []
    for step in plots.thin(steps, MAX_ROWS):
        after = (norms.x_t_change, norms.velocity_change, norms.x_t_turn, norms.velocity_turn)
        changes = [f"{values[step]:.3f}" if step < len(values) else "–" for values in after]
        rows.append([str(step), f"{norms.x_t[step]:.3f}", f"{norms.velocity[step]:.3f}", *changes])
    head = ["step", "x_t", "velocity", "change of x_t", "change of velocity", "turn of x_t", "turn of velocity"]
    return Figure("norms", "Size, change and turn", norms.figure(), caption + ".", Table(head, rows))


def _moved(name: str, first: str, last: str) -> str:
    """Say how the typical frame changes, from the two medians in words."""
    if first == last == NONE:
        return f"no frame has a {name}, at the first step or at the last"
    if NONE in (first, last):
        there, without = (last, "first") if first == NONE else (first, "last")
        return f"no frame has a {name} at the {without} step, the typical one is {there} at the other end"
    if first == last:
        return f"the typical frame is {first} at the first step and at the last"
    return f"the typical frame goes from {first} to {last}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
