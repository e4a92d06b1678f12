"""SAEs and probes that do not fit are refused with the file, the field and the way out."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from analysis.probes import load_probe, save_probe
from analysis.sae.formats import saelens
from harness.decoding.artifacts import Artifacts, read_artifacts
from harness.errors import InputError


def test_fitting_files_are_loaded(fitted):
    artifacts = read_artifacts(fitted.source, fitted.probes, fitted.sae)
    assert isinstance(artifacts, Artifacts)
    assert list(artifacts.probes) == ["pitch", "loudness", "timbre"]
    assert artifacts.describe()["sae"]["d_sae"] == 32
    assert read_artifacts(fitted.source, fitted.raw).sae is None


@pytest.mark.parametrize("field", ["model_id", "weights_sha256", "d_in"])
@pytest.mark.parametrize("kind", ["sae", "probes"])
def test_another_codec_is_refused(fitted, field, kind):
    other = replace(fitted.source, **{field: 3 if field == "d_in" else "another"})
    with pytest.raises(InputError, match=field) as caught:
        read_artifacts(other, fitted.raw if kind == "probes" else fitted.probes, fitted.sae if kind == "sae" else None)
    assert str(fitted.raw / "loudness.json" if kind == "probes" else fitted.sae) in str(caught.value)
    assert "fit a new one" in str(caught.value)


@pytest.mark.parametrize("point", ["blocks.3", "x_t"])
def test_another_hook_point_is_refused(fitted, tmp_path, point):
    sae = saelens.load(fitted.sae)
    sae.source = replace(fitted.source, hook_point=point)
    saelens.save(sae, tmp_path / "sae")
    with pytest.raises(InputError, match=f"hook_point.*'{point}'"):
        read_artifacts(fitted.source, fitted.probes, tmp_path / "sae")


def test_probes_of_another_sae_are_refused(fitted, tmp_path):
    sae = saelens.load(fitted.sae)
    with torch.no_grad():
        sae.W_enc += 1
    saelens.save(sae, tmp_path / "sae")
    with pytest.raises(InputError, match=r"loudness\.json: .* reads features of the SAE"):
        read_artifacts(fitted.source, fitted.probes, tmp_path / "sae")
    with pytest.raises(InputError, match=r"given those of raw tensors"):
        read_artifacts(fitted.source, fitted.probes)


def test_folders_without_files(fitted, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        read_artifacts(fitted.source, tmp_path / "none")
    with pytest.raises(InputError, match="holds no probes"):
        read_artifacts(fitted.source, tmp_path)
    with pytest.raises(InputError, match=r"cfg\.json is missing"):
        read_artifacts(fitted.source, fitted.probes, tmp_path)


def test_damaged_probe_is_named(fitted, tmp_path):
    shutil.copytree(fitted.raw, tmp_path / "probes")
    (tmp_path / "probes" / "pitch.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"pitch\.safetensors"):
        read_artifacts(fitted.source, tmp_path / "probes")


def test_noise_aware_probes_stand_beside_the_clean_ones(fitted, tmp_path):
    shutil.copytree(fitted.raw, tmp_path / "probes")
    pitch = load_probe(fitted.raw / "pitch.json")
    on_states = replace(pitch, info=replace(pitch.info, source=replace(fitted.source, hook_point="x_t")))
    save_probe(on_states, tmp_path / "probes" / "x_t")
    artifacts = read_artifacts(fitted.source, tmp_path / "probes")
    assert list(artifacts.aware["x_t"]) == ["pitch"]
    assert list(artifacts.aware["x1_hat"]) == []
    save_probe(pitch, tmp_path / "probes", "again")
    with pytest.raises(InputError, match="second probe of pitch on latents"):
        read_artifacts(fitted.source, tmp_path / "probes")


def test_noise_aware_probes_of_other_classes_are_refused(fitted, tmp_path):
    shutil.copytree(fitted.raw, tmp_path / "probes")
    loudness = load_probe(fitted.raw / "loudness.json")
    bins = replace(loudness.info.bins, edges=tuple(edge + 0.5 for edge in loudness.info.bins.edges))
    info = replace(loudness.info, source=replace(fitted.source, hook_point="x_t"), bins=bins)
    save_probe(replace(loudness, info=info), tmp_path / "probes" / "x_t")
    with pytest.raises(InputError, match=r"loudness probe of x_t has other classes.*--classes-of"):
        read_artifacts(fitted.source, tmp_path / "probes")


def test_noise_aware_probes_alone_are_not_enough(fitted, tmp_path):
    pitch = load_probe(fitted.raw / "pitch.json")
    source = replace(fitted.source, hook_point="x1_hat")
    save_probe(replace(pitch, info=replace(pitch.info, source=source)), tmp_path)
    with pytest.raises(InputError, match="fitted on clean latents"):
        read_artifacts(fitted.source, tmp_path)
