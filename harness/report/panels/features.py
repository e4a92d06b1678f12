"""Features: which SAE features the decode rests on, when each fires, for what it speaks, and how it sounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from harness.decoding.decode import Decoded, DecodedProperty
from harness.report import emergence
from harness.report.blocks import Figure, Panel, Table
from harness.report.context import Context
from harness.report.examples import Example, InDataset, from_dataset, from_sound
from harness.report.features import FeatureMaps, FeatureUse
from harness.report.markup import table
from harness.report.players import common_gain, data_uri


def panel(context: Context) -> Panel | None:
    """Contributions, and where the SAE is at hand the table with sounds and the activation maps; None undecoded."""
    decoded = context.decoded
    parts = [part for part in decoded.properties.values() if part.top] if decoded else []
    if decoded is None or not parts:
        return None
    pieces: list[Markup | Figure] = []
    if context.artifacts is None:
        pieces.append(Markup('<p class="hint">When and where they fire is shown where the SAE is at hand.</p>'))
    else:
        maps = FeatureMaps.of(context.trace, decoded, context.artifacts)
        known = _in_dataset(context, maps)
        pieces += [_table(context, maps, known), _maps(maps)]
    return Panel("features", "Features", [*pieces, _top(decoded, parts)])


def _in_dataset(context: Context, maps: FeatureMaps) -> Sequence[InDataset] | None:
    if context.dataset is None or context.artifacts is None:
        return None
    chosen = np.array([use.top.feature for use in maps.uses], np.int64)
    return from_dataset(context.dataset, context.artifacts, context.codec, chosen)


def _table(context: Context, maps: FeatureMaps, known: Sequence[InDataset] | None) -> Markup:
    rows = []
    for index, use in enumerate(maps.uses):
        example = known[index].example if known else None
        if example is None:
            example = from_sound(context.final, context.sample_rate_hz, use.final, context.trace.frame_rate_hz)
        rows.append(
            [
                use.name,
                str(use.top.feature),
                use.classes[use.top.speaks_for],
                f"{use.top.contribution:.2f}",
                _step(maps, use.first),
                _step(maps, use.settled),
                f"{use.top.active:.1%}",
                *([f"{known[index].density:.1%}"] if known else []),
                "–" if use.top.f1 is None else f"{use.top.f1:.2f}",
                _player(context, use, example),
            ]
        )
    head = ["property", "feature", "speaks for", "adds (nats)", "fires first (step)", "settled (step)", "active here"]
    head += [*(["active in the data set"] if known else []), "F1 alone, here", "strongest in"]
    return table(head, rows, "Features tied to each property", searchable=True)


def _player(context: Context, use: FeatureUse, example: Example | None) -> Markup | str:
    if example is None:
        return "–"
    uri = data_uri(example.audio * min(context.gain, common_gain(example.audio)), context.sample_rate_hz)
    return Markup('<audio controls preload="none" src="{}" aria-label="{}"></audio> {}').format(
        uri, f"Sound that {use.label} is strongest in", example.name
    )


def _maps(maps: FeatureMaps) -> Figure:
    firsts = [int(maps.steps[use.first]) for use in maps.uses if use.first is not None]
    settled = [int(maps.steps[use.settled]) for use in maps.uses if use.settled is not None]
    rows = [
        [use.label, _step(maps, use.first), _step(maps, use.settled), f"{use.activation.max():.2f}", _strongest(use)]
        for use in maps.uses
    ]
    when = f"Half of them have fired by step {int(np.median(firsts))}" if firsts else "None of them fires"
    when += f" and are at half their final strength for good by step {int(np.median(settled))}." if settled else "."
    return Figure(
        "feature-maps",
        "When and where each feature fires",
        maps.figure(),
        f"Activation of one feature in the clean estimate, and the weights its probe gives it, less their mean. {when}",
        Table(["feature", "fires first (step)", "settled (step)", "largest activation", "largest weight"], rows),
        views=[use.label for use in maps.uses],
        views_label="Feature",
    )


def _strongest(use: FeatureUse) -> str:
    most = int(use.weights.argmax())
    return f"{use.weights[most]:.2f} for {use.classes[most]}"


def _step(maps: FeatureMaps, index: int | None) -> str:
    return "–" if index is None else str(maps.steps[index])


def _top(decoded: Decoded, parts: Sequence[DecodedProperty]) -> Figure:
    what = "Feature" if decoded.artifacts["sae"] else "Channel"
    strongest = [
        f"{part.name} rests most on {what.lower()} {part.top[0].feature} "
        f"(for {emergence.class_name(part, part.top[0].speaks_for)})"
        for part in parts
    ]
    rows = [
        [
            part.name,
            str(feature.feature),
            emergence.class_name(part, feature.speaks_for),
            f"{feature.contribution:.2f}",
            f"{feature.active:.0%}",
            "–" if feature.f1 is None else f"{feature.f1:.2f}",
        ]
        for part in parts
        for feature in part.top
    ]
    return Figure(
        "decoded-features",
        f"{what}s behind the decode",
        emergence.top_figure(parts),
        f"In the final latents, {'; '.join(strongest)}. Bars: mean part in the log odds of the decoded class; on them "
        "the class that the feature speaks for.",
        Table(["property", what.lower(), "speaks for", "adds (nats)", "active in", "F1 alone, here"], rows),
    )
