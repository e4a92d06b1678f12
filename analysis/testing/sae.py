"""Conformance suite for SAE architectures: subclass, set ``config``, let pytest collect it.

>>> class TestTopK(SAETests):
...     config = SAEConfig("topk", d_in=24, d_sae=96, k=4)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.sae.base import SAE, build
from analysis.sae.config import SAEConfig, SAEError
from analysis.sae.formats import saelens
from analysis.sae.learner import Record, TrainConfig
from analysis.sae.normalisation import Normalisation
from analysis.sae.train import Trainer
from analysis.source import Source, SourceError


class SAETests:
    """What every SAE must do, whatever its architecture. ``config`` should be small: d_in 24, d_sae 96."""

    config: SAEConfig

    @pytest.fixture
    def data(self) -> np.ndarray:
        """Rows of three of 40 random directions, off centre and off scale: ``[2048, d_in]``."""
        rng = np.random.default_rng(0)
        directions = rng.standard_normal((40, self.config.d_in))
        strengths = rng.exponential(1.0, (2048, 40)) * (rng.random((2048, 40)) < 3 / 40)
        return (0.1 * strengths @ directions + 2.0).astype(np.float32)

    @pytest.fixture
    def trained(self, data: np.ndarray) -> SAE:
        """Make an SAE after some steps, in raw units, with a source."""
        source = Source("codec", "ab" * 32, "latents", self.config.d_in)
        return Trainer(data, [self.config], TrainConfig(steps=40, batch_size=256), source).run()[0]

    def test_weights_have_the_usual_names_and_shapes(self) -> None:
        """``W_enc [d_in, d_sae]``, ``b_enc``, ``W_dec [d_sae, d_in]``, ``b_dec``; the seed decides how they start."""
        sae, d_in, d_sae = build(self.config), self.config.d_in, self.config.d_sae
        shapes = {name: tuple(tensor.shape) for name, tensor in sae.state_dict().items()}
        expected = {"W_enc": (d_in, d_sae), "b_enc": (d_sae,), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
        assert {name: shapes.pop(name) for name in expected} == expected
        assert shapes in ({}, {"threshold": (d_sae,)})
        assert build(self.config).sha256 == sae.sha256
        assert build(replace(self.config, seed=self.config.seed + 1)).sha256 != sae.sha256

    def test_dense_and_sparse_codes_agree(self, trained: SAE, data: np.ndarray) -> None:
        """Both codes hold the same features and decode to the same vectors, for any leading shape."""
        x = torch.from_numpy(data[:60]).reshape(3, 4, 5, -1)
        dense, sparse = trained.encode(x), trained.encode_sparse(x)
        assert dense.shape == (3, 4, 5, self.config.d_sae)
        assert sparse.indices.shape == sparse.values.shape == (3, 4, 5, sparse.values.shape[-1])
        assert (sparse.values >= 0).all()
        torch.testing.assert_close(sparse.to_dense(self.config.d_sae), dense)
        torch.testing.assert_close(trained.decode(sparse), trained.decode(dense), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(trained(x), trained.decode(dense), rtol=1e-4, atol=1e-5)

    def test_no_rows_and_one_vector(self, trained: SAE) -> None:
        """Empty batches and single vectors keep their shape."""
        for shape in ((0,), (2, 0), ()):
            x = torch.zeros(*shape, self.config.d_in)
            assert trained(x).shape == x.shape
            assert trained.encode(x).shape == (*shape, self.config.d_sae)

    def test_codes_do_not_depend_on_the_batch(self, trained: SAE, data: np.ndarray) -> None:
        """A vector's code is the same alone and among others."""
        x = torch.from_numpy(data[:8])
        together = trained.encode(x)
        alone = torch.cat([trained.encode(row[None]) for row in x])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)

    def test_training_lowers_the_error(self, data: np.ndarray) -> None:
        """The first and last records of a short training differ in the right direction."""
        records: list[Record] = []
        plan = TrainConfig(steps=200, batch_size=256, record_every=20)
        Trainer(data, [self.config], plan).run(records.append)
        assert records[-1].loss < 0.9 * records[0].loss
        assert records[-1].fvu < 0.9 * records[0].fvu

    def test_norms_are_held_where_they_should_be(self, data: np.ndarray) -> None:
        """Rows of ``W_dec`` have norm 1 after every step, if the architecture says so."""
        trainer = Trainer(data, [self.config], TrainConfig(steps=5, batch_size=256, learning_rate=0.1))
        for _ in range(5):
            trainer.step()
            norms = trainer.result()[0].W_dec.norm(dim=1)
            if trainer.result()[0].unit_norm:
                torch.testing.assert_close(norms, torch.ones_like(norms))

    def test_only_trained_weights_move(self, data: np.ndarray) -> None:
        """What does not require a gradient stays as it was drawn."""
        trainer = Trainer(data, [self.config], TrainConfig(steps=5, batch_size=256))
        sae = trainer.result()[0]
        before = {name: tensor.clone() for name, tensor in sae.named_parameters() if name != "b_enc"}
        for _ in range(5):
            trainer.step()
        for name, tensor in trainer.result()[0].named_parameters():
            if name in before:
                assert torch.equal(tensor, before[name]) != tensor.requires_grad

    def test_folding_the_normalisation_changes_nothing(self, data: np.ndarray) -> None:
        """On raw vectors, the folded SAE does what the SAE does on normalised ones."""
        sae = build(self.config).double()
        normalisation = Normalisation(torch.randn(self.config.d_in), 7.5)
        x = torch.from_numpy(data[:50]).double()
        normalised = normalisation(x)
        expected = sae(normalised) / normalisation.scale + normalisation.mean.double()
        torch.testing.assert_close(sae.folded(normalisation)(x), expected, rtol=1e-6, atol=1e-6)

    def test_saved_and_loaded_it_is_the_same(self, trained: SAE, data: np.ndarray, tmp_path: Path) -> None:
        """Weights, outputs, config and source survive bit for bit."""
        saelens.save(trained, tmp_path)
        loaded = saelens.load(tmp_path)
        x = torch.from_numpy(data[:50])
        assert loaded.config == trained.config
        assert loaded.source == trained.source
        assert torch.equal(loaded.encode(x), trained.encode(x))
        assert torch.equal(loaded(x), trained(x))

    def test_other_tensors_are_refused(self, trained: SAE) -> None:
        """Another width, model, hook point or weights' hash gets a clear error."""
        for call in (trained.encode, trained.encode_sparse, trained):
            with pytest.raises(SAEError, match=f"reads vectors of d_in {self.config.d_in}; got shape"):
                call(torch.zeros(3, self.config.d_in + 1))
        source = Source("codec", "ab" * 32, "latents", self.config.d_in)
        trained.require(source)
        for other in (
            replace(source, model_id="other"),
            replace(source, weights_sha256="cd" * 32),
            replace(source, hook_point="block.3"),
        ):
            with pytest.raises(SourceError, match="was fitted for"):
                trained.require(other)
        with pytest.raises(SourceError, match="does not say what it was trained on"):
            build(self.config).require(source)
