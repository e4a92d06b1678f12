"""Moves fitted on latents that are made of known parts: means per class, factors of the source, two gradual axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.moves.fit import Labelled, MovesConfig, fit_again, fit_moves
from analysis.moves.storage import load_moves, save_moves
from analysis.source import Source

CHANNELS, CLASSES, FILES = 12, 5, 400
SOURCE = Source("codec", "ab" * 32, "latents", CHANNELS)
CONFIG = MovesConfig(factors=2, rounds=8, least_cells=20, width=32, steps=400, batch_size=256)


class World:
    """``z = mean[class] + loadings[class] s(file) + level * a + brightness * b + noise``."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        basis = np.linalg.qr(rng.normal(size=(CHANNELS, CHANNELS)))[0]
        self.means = 3 * rng.normal(size=(CLASSES, 8)) @ basis[:8]
        self.loadings = np.einsum("krc,cd->kdr", rng.normal(size=(CLASSES, 2, 8)), basis[:8])
        self.axes = basis[8:10]
        self.rng = rng

    def draw(self, files: int) -> tuple[Labelled, np.ndarray, np.ndarray]:
        rng = self.rng
        file = np.repeat(np.arange(files), 15)
        k = np.repeat(np.stack([rng.permutation(CLASSES)[:3] for _ in range(files)]).ravel(), 5)
        s = rng.normal(size=(files, 2))[file]
        gradual = rng.normal(size=(len(file), 2)) * [6, 0.5] + [-30, 0]
        z = self.latent(k, s, gradual) + 0.02 * rng.normal(size=(len(file), CHANNELS))
        return Labelled(z.astype(np.float32), file, 60.0 + k, gradual), k, s

    def latent(self, k, s, gradual):
        scaled = (gradual - [-30, 0]) / [6, 0.5]
        return self.means[k] + np.einsum("ncr,nr->nc", self.loadings[k], s) + scaled @ self.axes


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def moves(world):
    return fit_moves(world.draw(FILES)[0], SOURCE, "pitch", ("loudness", "timbre"), CONFIG)


def test_another_class_keeps_source_and_gradual_properties(world, moves):
    data, k, s = world.draw(100)
    assert (moves.first, moves.count) == (60.0, CLASSES)
    wanted = (k + 1) % CLASSES
    truth = world.latent(wanted, s, data.gradual)
    z = torch.from_numpy(data.vectors)
    moved = moves.to_class(z, torch.from_numpy(k), torch.from_numpy(wanted))
    held = moves.to_values(moved, moves.read(z)).numpy()
    naive = data.vectors + world.means[wanted] - world.means[k]
    assert np.square(held - truth).mean() < 0.05 * np.square(naive - truth).mean()


def test_the_class_at_hand_is_left_alone(world, moves):
    data, k, _ = world.draw(10)
    z = torch.from_numpy(data.vectors)
    assert torch.equal(moves.to_class(z, torch.from_numpy(k), torch.from_numpy(k)), z)


def test_gradual_properties_are_read_and_set(world, moves):
    data, k, s = world.draw(100)
    z = torch.from_numpy(data.vectors)
    error = moves.read(z).numpy() - data.gradual
    assert np.abs(error).mean(0) / [6, 0.5] == pytest.approx([0, 0], abs=0.15)
    wanted = torch.from_numpy(data.gradual + np.array([3.0, -0.25])).float()
    truth = world.latent(k, s, wanted.numpy())
    moved = moves.to_values(z, wanted)
    assert float((moves.read(moved) - wanted).abs().mean(0).div(moves.units).max()) < 0.05
    assert np.square(moved.numpy() - truth).mean() < 0.25 * np.square(data.vectors - truth).mean()


def test_a_gauge_fitted_on_edits_too_reads_them(world, moves):
    data, _, _ = world.draw(FILES)
    beyond = data.gradual + np.array([30.0, 0.0])
    edits = Labelled(data.vectors + (5 * world.axes[0]).astype(np.float32), data.file, data.classed, beyond)
    again = fit_again(moves, data, edits, CONFIG)

    def error_db(fitted, labelled):
        read = fitted.read(torch.from_numpy(labelled.vectors)).numpy()
        return np.abs(read - labelled.gradual)[:, 0].mean()

    assert error_db(again, edits) < 1.5 < error_db(moves, edits)
    assert error_db(again, data) < 1.5


def test_what_a_file_keeps(moves, tmp_path):
    save_moves(moves, tmp_path / "moves.safetensors")
    again = load_moves(tmp_path / "moves.safetensors")
    assert (again.source, again.classed, again.gradual, again.first) == (SOURCE, "pitch", ("loudness", "timbre"), 60.0)
    z = torch.randn(20, CHANNELS)
    torch.testing.assert_close(again.read(z), moves.read(z), rtol=1e-2, atol=0.1)


def test_files_that_are_no_moves(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is not a file of moves"):
        load_moves(tmp_path / "x.safetensors")


def test_too_little_data(world):
    with pytest.raises(ValueError, match="fewer than two neighbouring classes have 20 files"):
        fit_moves(world.draw(8)[0], SOURCE, "pitch", ("loudness", "timbre"), CONFIG)
