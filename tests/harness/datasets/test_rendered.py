from __future__ import annotations

import shutil

import numpy as np
import pytest

from generators.mini.recipe.render import held_out
from harness.datasets import rendered
from harness.datasets.rendered import RenderedClips, rendered_units
from harness.errors import InputError


def test_units_hold_as_many_clips_as_asked_for(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    units = rendered_units(150)
    assert sum(unit.count * rendered.FINISHES for unit in units) == 150
    assert len({unit.name for unit in units} | {unit.name for unit in rendered_units(150, seed=1)}) == 2 * len(units)


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="rendering needs fluidsynth"):
        rendered_units(2)


@pytest.mark.parametrize("kept_out", [False, True])
def test_held_out_clips_hold_held_out_notes_only(monkeypatch, kept_out):
    plans = []

    def play(given):
        from generators.mini.recipe.render import Clip

        plans.extend(given)
        return [Clip(*plan[:2], plan[2], plan[3], np.ones(2048, np.float32)) for plan in given]

    monkeypatch.setattr("generators.mini.recipe.render.play", play)
    monkeypatch.setattr("generators.mini.recipe.render.finish", lambda audio, tilt, lufs: audio)
    clips = list(RenderedClips(3, 40, kept_out).clips(60))
    assert {held_out(instrument, note.midi) for instrument, notes, *_ in plans for note in notes} == {kept_out}
    assert all(notes for _, notes, *_ in plans)
    assert len(clips) == 80
    assert len({clip.group for clip in clips}) == 40
    assert {clip.split for clip in clips} == {"test" if kept_out else None}
