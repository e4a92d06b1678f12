from __future__ import annotations

import errno
import os
import shutil

import h5py
import numpy as np
import pytest
import soundfile
import torch

from analysis import properties
from analysis.probes import split_of
from generators.codecs.closed_form import ClosedFormCodec
from harness.datasets import assemble as assembling
from harness.datasets.audio import AudioFile
from harness.datasets.build import build
from harness.datasets.reader import open_dataset
from harness.datasets.shards import Shards
from harness.datasets.sources import audio_sources
from harness.errors import ExistsError, InputError, StorageError
from harness.runs import locked
from tests.harness.datasets.audio_files import RATE_HZ, cut_in_half, tone, write_tones

NAMES = ("pitch", "loudness", "timbre")


@pytest.fixture
def tones(tmp_path):
    return write_tones(tmp_path / "in")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "set.h5"


def make(paths, out, *, codec="closed-form", names=NAMES, seed=0, **options):
    return build(*audio_sources(paths, codec, names, seed), out, **options)


def content(path):
    """All datasets and attributes of an HDF5 file."""
    found = {}
    with h5py.File(path) as file:
        found.update({f"@{key}": value for key, value in file.attrs.items()})
        file.visititems(lambda name, node: found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
    return found


def same(a, b):
    return a.keys() == b.keys() and all(
        np.array_equal(a[k], b[k], equal_nan=np.asarray(a[k]).dtype.kind == "f") for k in a
    )


def test_rows_are_the_codecs_latents_and_labels_the_measured_properties(tones, out):
    make([tones], out)
    codec = ClosedFormCodec()
    with open_dataset(out) as dataset:
        assert (dataset.source.model_id, dataset.source.weights_sha256) == (codec.id, codec.weights_sha256)
        assert len(dataset.files) == 6
        assert [f.split for f in dataset.files] == sorted(
            (f.split for f in dataset.files), key=["train", "validation", "test"].index
        )
        start = 0
        for file in dataset.files:
            audio, rate_hz = soundfile.read(file.name, dtype="float32", always_2d=True)
            frames = -(-len(audio) // codec.hop_samples)
            assert (file.samples, file.channels, file.sample_rate_hz, file.rows) == (len(audio), 1, rate_hz, frames)
            assert file.split == split_of(file.sha256)
            rows = slice(start, start + frames)
            wanted = codec.encode(torch.from_numpy(audio.T[None].copy()), rate_hz)[0].numpy()
            np.testing.assert_array_equal(dataset.rows()[rows], wanted)
            for name in NAMES:
                measured = properties.load(name).measure(audio.T, rate_hz, codec.frame_rate_hz, frames).masked()
                np.testing.assert_array_equal(dataset.labels(name)[rows], measured)
            start += frames
        assert (dataset.t == 1).all()
        assert dataset.rows().shape == (start, 16)
        for split in ("train", "test", "validation"):
            if split in dataset.split:
                np.testing.assert_array_equal(dataset.rows(split)[:], dataset.rows()[:][dataset.split == split])


def test_the_file_does_not_depend_on_the_number_of_workers(tones, tmp_path):
    for workers in (1, 2):
        make([tones], tmp_path / f"{workers}.h5", workers=workers)
    assert same(content(tmp_path / "1.h5"), content(tmp_path / "2.h5"))


def test_copies_of_a_file_are_never_split(tones, out):
    for index in range(8):
        shutil.copy(tones / "tone3.wav", tones / f"copy{index}.wav")
    make([tones], out)
    with open_dataset(out) as dataset:
        copies = {file.split for file in dataset.files if file.samples == 6000 and "copy" in file.name}
        assert len(copies) == 1
        (group,) = {file.group for file in dataset.files if "copy" in file.name}
        assert len(set(dataset.split[dataset.groups == group])) == 1


@pytest.mark.parametrize(
    ("name", "audio", "rate_hz"),
    [
        ("rate8k.wav", tone(300, 4000, 8000), 8000),
        ("rate192k.wav", tone(300, 40000, 192000), 192000),
        ("stereo.flac", np.stack([tone(300)] * 2, 1), RATE_HZ),
        ("surround.wav", np.stack([tone(300)] * 6, 1), RATE_HZ),
        ("oneframe.wav", tone(300, 100), RATE_HZ),
    ],
)
def test_any_rate_length_and_number_of_channels(tmp_path, out, name, audio, rate_hz):
    soundfile.write(tmp_path / name, audio, rate_hz)
    make([tmp_path / name], out)
    with open_dataset(out) as dataset:
        (file,) = dataset.files
        assert file.sample_rate_hz == rate_hz
        assert file.rows == -(-round(len(audio) * RATE_HZ / rate_hz) // 1024)
        assert np.isfinite(dataset.rows()[:]).all()


def test_long_files_are_read_in_pieces(tmp_path, out, monkeypatch):
    monkeypatch.setattr("harness.datasets.collect.SEGMENT_FRAMES", 4)
    soundfile.write(tmp_path / "long.wav", tone(300, 12 * 1024 + 10), RATE_HZ)
    make([tmp_path / "long.wav"], out)
    with open_dataset(out) as dataset:
        assert dataset.files[0].rows == 13
        pitch = dataset.labels("pitch")
        np.testing.assert_allclose(pitch[:12], 69 + 12 * np.log2(300 / 440), atol=0.1)


def bad_files(folder):
    soundfile.write(folder / "silent.wav", np.zeros(4000), RATE_HZ)
    broken = tone(300)
    broken[100] = np.nan
    soundfile.write(folder / "nan.wav", broken, RATE_HZ, subtype="FLOAT")
    for name in ("cut.wav", "cut.flac", "cut.ogg", "cut.aiff"):
        soundfile.write(folder / name, tone(300), RATE_HZ)
        cut_in_half(folder / name)
    (folder / "words.wav").write_text("no audio")
    soundfile.write(folder / "nothing.wav", np.zeros((0, 1)), RATE_HZ)


def test_bad_files_among_good_ones_are_left_out_and_listed(tones, out):
    bad_files(tones)
    result = make([tones], out)
    reasons = {entry.name.rpartition("/")[2]: entry.reason for entry in result.skipped}
    assert set(reasons) == {
        "silent.wav",
        "nan.wav",
        "cut.wav",
        "cut.flac",
        "cut.ogg",
        "cut.aiff",
        "words.wav",
        "nothing.wav",
    }
    assert "silent" in reasons["silent.wav"]
    assert "NaN" in reasons["nan.wav"]
    assert all("truncated" in reasons[name] for name in ("cut.wav", "cut.aiff"))
    assert result.collected == 6
    with open_dataset(out) as dataset:
        assert dataset.skipped == list(result.skipped)


def test_strict_fails_on_the_first_bad_file_and_keeps_what_was_done(tones, out):
    bad_files(tones)
    with pytest.raises(InputError, match=r"nan\.wav"):
        make([tones / "nan.wav", tones], out, strict=True)
    assert not out.exists()
    assert not Shards.of(out).folder.exists()
    with pytest.raises(InputError, match=r"nan\.wav|cut\.|silent\.wav|words\.wav|nothing\.wav"):
        make([tones / "tone5.wav", tones], out, strict=True)
    assert not out.exists()
    assert Shards.of(out).has(str(tones / "tone5.wav"), AudioFile(tones / "tone5.wav").version)


def test_only_bad_files_make_no_data_set(tmp_path, out):
    (tmp_path / "words.wav").write_text("no audio")
    with pytest.raises(InputError, match="none of the 1 inputs can be used"):
        make([tmp_path / "words.wav"], out)
    assert not out.exists()
    assert not Shards.of(out).folder.exists()


def test_paths_that_give_nothing(tmp_path, out):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no audio file"):
        make([tmp_path / "empty"], out)
    with pytest.raises(InputError, match="does not exist"):
        make([tmp_path / "missing.wav"], out)
    with pytest.raises(ValueError, match="unknown property 'pich'; did you mean 'pitch'"):
        make([tmp_path], out, names=("pich",))


class Stop(Exception):
    pass


def stop_after(count):
    def progress(what, done, total):
        if done == count:
            raise Stop

    return progress


def test_an_interrupted_build_continues(tones, out, tmp_path):
    with pytest.raises(Stop):
        make([tones], out, progress=stop_after(3))
    assert not out.exists()
    result = make([tones], out)
    assert (result.resumed, result.collected) == (3, 6)
    assert not Shards.of(out).folder.exists()
    make([tones], tmp_path / "whole.h5")
    assert same(content(out), content(tmp_path / "whole.h5"))


def test_a_file_that_changed_meanwhile_is_done_again(tones, out):
    with pytest.raises(Stop):
        make([tones], out, progress=stop_after(6))
    soundfile.write(tones / "tone5.wav", tone(1000, 9000), RATE_HZ)
    assert make([tones], out).resumed == 5
    with open_dataset(out) as dataset:
        assert 9000 in {file.samples for file in dataset.files}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"codec": "mini"}, "codec"), ({"names": ("pitch",)}, "properties"), ({"seed": 1}, "seed")],
    ids=["codec", "properties", "seed"],
)
def test_another_plan_does_not_continue_an_interrupted_build(tones, out, change, field):
    with pytest.raises(Stop):
        make([tones], out, progress=stop_after(3))
    with pytest.raises(InputError, match=f"has {field} .* this one has .*--force"):
        make([tones], out, **change)
    assert make([tones], out, force=True, **change).resumed == 0


def test_nothing_is_overwritten_without_force(tones, out):
    make([tones], out)
    before = out.read_bytes()
    with pytest.raises(ExistsError, match="--force"):
        make([tones], out)
    assert out.read_bytes() == before
    make([tones / "tone3.wav"], out, force=True)
    with open_dataset(out) as dataset:
        assert len(dataset.files) == 1


def test_two_builds_of_one_data_set_do_not_mix(tones, out):
    with pytest.raises(Stop):
        make([tones], out, progress=stop_after(1))
    with locked(Shards.of(out).folder), pytest.raises(StorageError, match="another process"):
        make([tones], out)


def test_a_full_disk_loses_nothing(tones, out, monkeypatch):
    real = assembling._write_rows

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(assembling, "_write_rows", full)
    with pytest.raises(StorageError, match="No space left"):
        make([tones], out)
    assert not out.exists()
    assert [path.name for path in out.parent.glob("*.part")] == []
    monkeypatch.setattr(assembling, "_write_rows", real)
    assert make([tones], out).resumed == 6


def test_a_disk_that_is_too_small_is_seen_beforehand(tones, out, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(StorageError, match="0 MB are free"):
        make([tones], out)
