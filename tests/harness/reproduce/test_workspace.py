from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.reproduce.workspace import opened


def fail(out, stage=None):
    """Begin a study, finish one stage of it or none, and find that the inputs are of no use."""
    with opened(out, {"study": "x"}) as workspace:
        (out / "encoder-0").mkdir()
        if stage is not None:
            workspace.keep(stage, 1)
        raise InputError("none of the inputs can be used")


def test_inputs_of_no_use_leave_no_folder_but_finished_stages_stay(tmp_path):
    with pytest.raises(InputError, match="none of the inputs"):
        fail(tmp_path / "study")
    assert not (tmp_path / "study").exists()
    with pytest.raises(InputError, match="none of the inputs"):
        fail(tmp_path / "study", "probes")
    with opened(tmp_path / "study", {"study": "x"}) as workspace:
        assert workspace.read("probes") == 1
