"""Before and after: the three sounds on one clock, and what the edit did to each property."""

from __future__ import annotations

import json

from markupsafe import Markup

from analysis import properties
from analysis.steering import JUDGED
from harness.report.blocks import Figure, Panel
from harness.report.markup import facts, prompt_block, table, tie
from harness.report.paired import PairedContext
from harness.report.players import data_uri
from harness.steering.document import document, finding
from harness.steering.result import ARMS

ARM_NAMES = {"baseline": "Baseline", "steered": "Steered", "control": "Random control"}


def panel(context: PairedContext) -> Panel:
    """Prompt, finding, players and the table of effects."""
    result = context.result
    pieces: list[Markup | Figure] = [
        prompt_block(result.request.prompt),
        Markup('<p class="finding">{}</p>').format(tie(finding(result))),
        _players(context),
        facts(
            {
                "seed": str(result.request.seed),
                "size of the edits, relative": f"{result.relative_norm['steered']:.3f}",
                "size of the control's": f"{result.relative_norm['control']:.3f}",
                "seeds in the averages below": str(len(result.seeds)),
            }
        ),
        table(["property", *ARM_NAMES.values(), "target", "reached"], _rows(context), "Effect on every property"),
        Markup('<details><summary>Interventions</summary><pre tabindex="0">{}</pre></details>').format(
            json.dumps(result.interventions, indent=2)
        ),
    ]
    return Panel("paired", "Before and after", pieces)


def _players(context: PairedContext) -> Markup:
    rows = Markup("").join(
        Markup(
            '<p class="player"><label for="{arm}-audio">{name}</label>'
            '<audio id="{arm}-audio" controls preload="metadata" src="{uri}"></audio></p>'
        ).format(arm=arm, name=ARM_NAMES[arm], uri=data_uri(clip * context.gain, context.sample_rate_hz))
        for arm, clip in zip(ARMS, context.clips, strict=True)
    )
    hint = "The players share one clock: start another and it goes on from the same place. They share one gain too."
    return Markup('<div data-clock>{}<p class="hint">{}</p></div>').format(rows, hint)


def _rows(context: PairedContext) -> list[list[str]]:
    effects = document(context.result)["effect"]
    rows = []
    for name in JUDGED:
        effect, write = effects[name], properties.load(name).format
        cells = ["–" if effect[key] is None else write(effect[key]) for key in (*ARMS, "target")]
        reached = {None: "–", True: "yes", False: "no"}[effect["reached"]]
        rows.append([name, *cells, reached])
    return rows
