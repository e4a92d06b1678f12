from __future__ import annotations

import json
import platform

import h5py

from generators.closed_form import ClosedFormGenerator
from harness import __version__, provenance


def test_versions_are_those_installed():
    versions = provenance.versions()
    assert versions["audio-diffusion-harness"] == __version__
    assert versions["python"] == platform.python_version()
    assert versions["h5py"] == h5py.__version__


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("h5py", "no-such-package"))
    assert set(provenance.versions()) == {"audio-diffusion-harness", "python", "h5py"}


def test_description_is_json_and_names_nobody():
    generator = ClosedFormGenerator.from_pretrained()
    text = json.dumps(provenance.describe(generator), allow_nan=False)
    assert generator.weights_sha256 in text
    assert generator.codec.weights_sha256 in text
    assert platform.node() not in text
