from __future__ import annotations

import errno
import json
import os
import time

import numpy as np
import pytest
import soundfile

from harness.audio import write_wav
from harness.errors import ExistsError, HarnessError, StorageError
from harness.files import ABANDONED_S, check_output, check_output_file, remove_unfinished, whole, write_json


def test_whole_makes_the_folder(tmp_path):
    with whole(tmp_path / "new" / "file") as part:
        part.write_text("")
    assert (tmp_path / "new" / "file").is_file()


def test_whole_names_the_file_the_disk_refuses(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken/file"), whole(tmp_path / "taken" / "file") as part:
        part.write_text("")


def test_whole_says_what_the_system_refused_in_its_words(tmp_path):
    def refused() -> None:
        with whole(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "Unable to synchronously create file (errno = 28, flags = 13)")

    with pytest.raises(StorageError, match=r"cannot write \S+: No space left on device$"):
        refused()


def test_what_killed_processes_left_is_removed(tmp_path):
    left, fresh, other = (tmp_path / name for name in (".f[1].0123.part", ".f[1].4567.part", ".f1.0123.part"))
    for path in (left, fresh, other):
        path.write_text("half")
    long_ago = time.time() - ABANDONED_S - 60
    for path in (left, other):
        os.utime(path, (long_ago, long_ago))
    remove_unfinished(tmp_path / "f[1]")
    assert sorted(tmp_path.iterdir()) == [other, fresh]
    remove_unfinished(tmp_path / "f[1]", idle_s=0)
    assert sorted(tmp_path.iterdir()) == [other]


def test_output_file_is_checked_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    check_output_file(tmp_path / "new" / "page.html", force=False)
    check_output_file(tmp_path / "file", force=True)
    with pytest.raises(ExistsError, match="--force"):
        check_output_file(tmp_path / "file", force=False)
    with pytest.raises(StorageError, match="is a folder; give a file"):
        check_output_file(tmp_path, force=True)
    with pytest.raises(StorageError, match="file is not a folder"):
        check_output_file(tmp_path / "file" / "page.html", force=True)


def test_taken_folder_needs_force(tmp_path):
    (tmp_path / "anything").write_text("")
    with pytest.raises(ExistsError, match="--force"):
        check_output(tmp_path, force=False)
    check_output(tmp_path, force=True)


def test_what_a_killed_process_left_does_not_take_a_folder(tmp_path):
    with whole(tmp_path / "trace.h5") as part:
        part.write_text("half")
    (tmp_path / "trace.h5").rename(part)
    check_output(tmp_path, force=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="no permission"):
        check_output(tmp_path / "run", force=False)


def test_dangling_link_is_not_a_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="not a folder"):
        check_output(tmp_path / "link", force=False)


def test_json_keeps_text_and_refuses_nan(tmp_path):
    file = tmp_path / "file.json"
    write_json(file, {"prompt": "é😀"})
    assert json.loads(file.read_text(encoding="utf-8")) == {"prompt": "é😀"}
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(file, {"value": float("nan")})
    assert json.loads(file.read_text(encoding="utf-8")) == {"prompt": "é😀"}


@pytest.mark.parametrize("channels", [1, 2])
def test_wav_keeps_level_and_channels(tmp_path, channels):
    audio = np.stack([0.5 * np.sin(np.arange(1000) * 0.05 * (k + 1)) for k in range(channels)]).astype(np.float32)
    assert write_wav(tmp_path / "a.wav", audio, 22050) == 0.0
    read, rate = soundfile.read(tmp_path / "a.wav", always_2d=True)
    assert rate == 22050
    np.testing.assert_allclose(read.T, audio, atol=1 / 32768)


def test_wav_is_turned_down_only_when_it_would_clip(tmp_path):
    audio = np.array([[0.1, -2.0, 1.0]], dtype=np.float32)
    gain_db = write_wav(tmp_path / "a.wav", audio, 8000)
    assert gain_db == pytest.approx(-6.0206, abs=1e-4)
    read, _ = soundfile.read(tmp_path / "a.wav")
    np.testing.assert_allclose(read, [0.05, -1.0, 0.5], atol=1 / 32768)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_wav_refuses_what_is_not_finite(tmp_path, bad):
    with pytest.raises(HarnessError, match="not finite"):
        write_wav(tmp_path / "a.wav", np.array([[0.0, bad]], dtype=np.float32), 8000)
    assert list(tmp_path.iterdir()) == []
