"""Prompts: the same curves for each prompt on its own."""

from __future__ import annotations

from markupsafe import Markup

from harness.report.blocks import Figure, Panel, Table
from harness.report.many import Many
from harness.report.multiples import Multiples


def panel(many: Many) -> Panel | None:
    """One small chart a prompt; None where all runs have the same one."""
    multiples = Multiples.of(many.rows)
    if len(multiples.prompts) < 2:
        return None
    in_all = len({row.prompt for row in many.rows})
    more = (
        f" The {len(multiples.prompts)} most frequent of {in_all} are shown." if in_all > len(multiples.prompts) else ""
    )
    names = many.properties
    rows = []
    for index, (prompt, runs, t, shares) in enumerate(
        zip(multiples.prompts, multiples.runs, multiples.t, multiples.accuracy, strict=True)
    ):
        middle = (len(t) - 1) // 2
        cells = [f"{shares[name].value[middle]:.0%}" if name in shares else "–" for name in names]
        rows.append([str(index + 1), prompt or "(empty prompt)", str(runs), *cells])
    listed = Markup("").join(
        Markup('<li dir="auto">{}</li>').format(prompt.strip() or "(empty prompt)") for prompt in multiples.prompts
    )
    spread = [
        f"{name} {min(found):.0%} to {max(found):.0%}"
        for name in names
        if (
            found := [
                float(shares[name].value[(len(t) - 1) // 2])
                for t, shares in zip(multiples.t, multiples.accuracy, strict=True)
                if name in shares
            ]
        )
    ]
    figure = Figure(
        "prompts-multiples",
        "Every prompt on its own",
        multiples.figure(),
        f"Share of frames decoded right in the clean estimate, over t. Half-way, prompts range over: "
        f"{'; '.join(spread)}.{more}",
        Table(["number", "prompt", "runs", *(f"{name}, half-way" for name in names)], rows),
    )
    return Panel("prompts", "Prompts", [figure, Markup('<ol class="prompts">{}</ol>').format(listed)])
