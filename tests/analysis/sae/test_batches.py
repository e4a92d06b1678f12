from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from analysis.sae import batches
from analysis.sae.batches import ShuffledBatches
from analysis.sae.config import SAEError
from analysis.sae.normalisation import measure_normalisation


def numbered(rows: int) -> np.ndarray:
    return np.repeat(np.arange(rows, dtype=np.float32)[:, None], 2, axis=1)


@pytest.mark.parametrize("buffer_rows", [2**20, 64])
def test_an_epoch_shows_every_row_once(buffer_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BLOCK_ROWS", 16)
    stream = ShuffledBatches(numbered(320), 16, seed=0, buffer_rows=buffer_rows)
    first, second = ([stream.batch(e * stream.steps_per_epoch + i) for i in range(20)] for e in range(2))
    assert stream.steps_per_epoch == 20
    assert sorted(torch.cat(first)[:, 0].tolist()) == list(range(320))
    assert sorted(torch.cat(second)[:, 0].tolist()) == list(range(320))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_a_batch_depends_on_the_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BLOCK_ROWS", 16)
    streams = [ShuffledBatches(numbered(200), 16, seed=4, buffer_rows=64) for _ in range(2)]
    forwards = [streams[0].batch(step) for step in range(30)]
    for step in reversed(range(30)):
        assert torch.equal(streams[1].batch(step), forwards[step])
    assert not torch.equal(ShuffledBatches(numbered(200), 16, seed=5, buffer_rows=64).batch(0), forwards[0])


def test_hdf5_and_memory_maps_give_what_arrays_give(tmp_path: Path) -> None:
    data = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    np.save(tmp_path / "data.npy", data)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        stored = file.create_dataset("x", data=data)
        for other in (stored, np.load(tmp_path / "data.npy", mmap_mode="r")):
            assert torch.equal(ShuffledBatches(other, 64, 1).batch(3), ShuffledBatches(data, 64, 1).batch(3))
            assert measure_normalisation(other).scale == measure_normalisation(data).scale


def test_fewer_rows_than_a_batch() -> None:
    stream = ShuffledBatches(numbered(5), 64, seed=0)
    assert stream.batch_size == 5
    assert sorted(stream.batch(7)[:, 0].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("data", [np.zeros((0, 4), np.float32), np.zeros(4, np.float32)])
def test_data_that_are_no_rows_are_refused(data: np.ndarray) -> None:
    with pytest.raises(SAEError, match=r"must be \[rows, d_in\]"):
        ShuffledBatches(data, 8, 0)


def test_normalised_data_have_mean_0_and_variance_1() -> None:
    data = (100 + 3 * np.random.default_rng(0).standard_normal((9000, 5)) * [1, 2, 3, 4, 5]).astype(np.float32)
    normalised = measure_normalisation(data)(torch.from_numpy(data)).double()
    torch.testing.assert_close(normalised.mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-5, rtol=0)
    assert float(normalised.square().mean()) == pytest.approx(1, abs=1e-5)


def test_unusable_data_are_named() -> None:
    data = numbered(5000)
    data[4321, 1] = np.nan
    with pytest.raises(SAEError, match="row 4321 of the data holds NaN"):
        measure_normalisation(data)
    with pytest.raises(SAEError, match="all 7 rows of the data are equal"):
        measure_normalisation(np.ones((7, 2), np.float32))
