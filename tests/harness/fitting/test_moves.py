"""Moves fitted on a data set and on decoded edits of it."""

from __future__ import annotations

import numpy as np
import torch

from analysis import properties
from analysis.moves.fit import MovesConfig
from generators.codecs.closed_form import ClosedFormCodec
from harness.datasets.reader import open_dataset
from harness.fitting import moves as fitting
from harness.fitting.moves import EditPlan, moves_of

CONFIG = MovesConfig(factors=2, rounds=2, least_frames=1, least_cells=1, width=32, steps=200, batch_size=256)


def test_edits_are_labelled_by_what_they_decode_to(dataset_path, monkeypatch):
    codec, seen = ClosedFormCodec(), []
    plain = fitting.fit_again
    monkeypatch.setattr(fitting, "fit_again", lambda *given: seen.append(given[2]) or plain(*given))
    with open_dataset(dataset_path) as dataset:
        moves = moves_of(dataset, codec, CONFIG, EditPlan(stretches=3, frames=12))
    (edits,) = seen
    assert moves.gradual == ("loudness", "timbre")
    assert edits.vectors.shape == (36, codec.latent_channels)
    assert np.isnan(edits.classed).all()
    audio = codec.decode(torch.from_numpy(edits.vectors[None, :12]))[0].numpy()
    level = properties.load("loudness").measure(audio, codec.sample_rate_hz, float(codec.frame_rate_hz)).masked()
    heard = np.isfinite(edits.gradual[:12, 0])
    assert heard.any()
    np.testing.assert_allclose(edits.gradual[:12, 0][heard], level[heard], atol=1e-4)
