from __future__ import annotations

import hashlib
import json
import sys
from collections import namedtuple

import pytest

from harness import doctor, layout
from harness.errors import HarnessError

GIB = 1 << 30


@pytest.fixture
def shipped(tmp_path):
    """A folder of weights with its manifest."""
    folder = tmp_path / "generators" / "mini" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"numbers")
    digest = hashlib.sha256(b"numbers").hexdigest()
    (folder / doctor.MANIFEST).write_text(f"{digest}  model.safetensors\n")
    return folder


def test_weights_as_shipped(shipped, tmp_path):
    assert doctor.weights(tmp_path).state == "ok"


def test_weights_changed_missing_or_not_there_at_all(shipped, tmp_path):
    (shipped / "model.safetensors").write_bytes(b"numbers?")
    assert "not what was shipped" in doctor.weights(tmp_path).found
    (shipped / "model.safetensors").unlink()
    assert "model.safetensors is missing" in doctor.weights(tmp_path).found
    (shipped / doctor.MANIFEST).unlink()
    assert doctor.weights(tmp_path).state == "failure"


def test_our_weights_are_those_of_the_manifests():
    """Write them anew with: cd generators/mini/checkpoint && sha256sum *.safetensors > SHA256SUMS."""
    assert doctor.weights(layout.HOME).state == "ok", doctor.weights(layout.HOME).found
    weights = {file for package in layout.PACKAGES for file in (layout.HOME / package).rglob("*.safetensors")}
    assert weights
    for file in weights:
        assert file.name in (file.parent / doctor.MANIFEST).read_text(), f"{file} is in no manifest"


def test_torchaudio_absent_broken_and_fine():
    def broken(name):
        raise OSError("undefined symbol: _ZN5torch")

    def absent(name):
        raise ModuleNotFoundError(name)

    assert doctor.torchaudio(absent).state == "ok"
    found = doctor.torchaudio(broken)
    assert found.state == "warning"
    assert "undefined symbol" in found.found
    assert "pip uninstall torchaudio" in (found.advice or "")
    assert doctor.torchaudio(lambda name: object()).state == "ok"


def test_essential_package_missing_or_broken(monkeypatch):
    assert doctor.essential("numpy").state == "ok"
    assert doctor.essential("no_such_package_at_all").state == "failure"

    def broken(name):
        raise OSError("wrong ELF class")

    monkeypatch.setattr(doctor, "import_module", broken)
    assert "wrong ELF class" in doctor.essential("numpy").found


@pytest.mark.parametrize(("free", "state"), [(50 * GIB, "ok"), (GIB // 2, "warning"), (1 << 20, "failure")])
def test_disk(monkeypatch, tmp_path, free, state):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(100 * GIB, 0, free))
    assert doctor.disk(tmp_path).state == state


def test_declared_dependencies_are_found_without_the_extras():
    names = doctor.dependencies()
    assert {"torch", "h5py", "click"} <= set(names)
    assert "pytest" not in names


def test_a_stranger_in_front_of_our_package(tmp_path, monkeypatch):
    (tmp_path / "analysis.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "analysis", raising=False)
    assert layout.strangers() == {"analysis": (tmp_path / "analysis.py").resolve()}
    assert doctor.packages().state == "failure"
    with pytest.raises(HarnessError, match="rename that file"):
        layout.check_layout()


def test_command_fails_exactly_when_a_check_does(monkeypatch):
    from click.testing import CliRunner

    from harness.cli import cli

    good, bad = doctor.Check("a", "ok", "fine"), doctor.Check("b", "failure", "broken", "mend it")
    for checks, exit_code in (([good], 0), ([good, bad], 1)):
        monkeypatch.setattr(doctor, "examine", lambda checks=checks: checks)
        result = CliRunner().invoke(cli, ["doctor", "--json"])
        assert result.exit_code == exit_code
        document = json.loads(result.stdout)
        assert document["healthy"] is (exit_code == 0)
        assert [check["name"] for check in document["checks"]] == [check.name for check in checks]
    assert "-> mend it" in result.stderr
