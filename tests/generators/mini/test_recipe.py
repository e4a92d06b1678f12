"""The recipe that trains ``mini``: what it renders, and the training itself at tiny size."""

from __future__ import annotations

import shutil
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrize

from generators.mini.generator import MiniNetwork
from generators.mini.recipe import dataset, flow, render
from generators.mini.score import FREE, NUM_TOKENS, REST, Note
from generators.mini.vocabulary import INSTRUMENTS


@pytest.mark.parametrize("detuning", [0.0, *dataset.DETUNINGS])
def test_melodies_keep_fifty_cents_away_from_what_is_held_out(detuning: float) -> None:
    rng, heard = np.random.default_rng(0), set()
    for instrument in list(INSTRUMENTS) * 20:
        excluded = [n for n in range(40, 92) if render.held_out(instrument, n)]
        for note in render.melody(rng, instrument, 108, detuning):
            assert min(abs(note.midi + detuning - n) for n in excluded) > 0.5
            heard.add(note.midi)
    assert len(heard) == 37


@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not render.SOUNDFONT.is_file(), reason="needs fluidsynth and its SoundFont"
)
@pytest.mark.parametrize("detuning", [0.0, -0.25, 0.5])
def test_rendered_notes_sound_as_far_out_of_tune_as_asked(detuning: float) -> None:
    pytest.importorskip("mido")
    plans = [(name, (Note(60, 0, 20), Note(69, 20, 40)), 40, 90) for name in ("flute", "trumpet")]
    for clip in render.play(plans, detuning=detuning):
        f0_hz = librosa.yin(clip.audio, fmin=150, fmax=900, sr=render.SAMPLE_RATE_HZ)
        midi = librosa.hz_to_midi(np.array([np.median(f0_hz[10:35]), np.median(f0_hz[50:75])]))
        np.testing.assert_allclose(midi, [60 + detuning, 69 + detuning], atol=0.12)


def test_the_table_of_pitches_is_smooth_and_leaves_free_and_rest_alone() -> None:
    torch.manual_seed(0)
    free = torch.randn(NUM_TOKENS, 8)
    table = flow.SmoothPitches()(free)
    assert torch.equal(table[[FREE, REST]], free[[FREE, REST]])
    onsets, sustains = table[2:].chunk(2)
    for pitches in (onsets, sustains):
        near, far = (torch.nn.functional.mse_loss(pitches[:-n], pitches[n:]) for n in (1, 40))
        assert near < far / 5
    # Where onsets end and sustains begin, nothing is averaged over the border.
    assert torch.nn.functional.mse_loss(onsets[-1], sustains[0]) > 0.01
    constant = flow.SmoothPitches()(torch.ones(NUM_TOKENS, 1))
    torch.testing.assert_close(constant, torch.ones(NUM_TOKENS, 1))


def test_what_is_trained_saves_as_the_network_that_ships() -> None:
    torch.manual_seed(0)
    network, plain = flow.trainee(), MiniNetwork()
    tokens = torch.randint(NUM_TOKENS, (2, 12))
    expected = network.transformer.text_embed(tokens)
    parametrize.remove_parametrizations(network.transformer.text_embed.text_embed, "weight")
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(plain.transformer.text_embed(tokens), expected)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with one small shard of random latents."""
    for name, value in (("SHARDS", {12: 1}), ("DETUNED_SHARDS", {12: 0})):
        monkeypatch.setattr(dataset, name, value)
    for name, value in (("BATCH", 2), ("CHECKPOINT_EVERY", 2)):
        monkeypatch.setattr(flow, name, value)
    generator = torch.Generator().manual_seed(0)
    shard = {
        "latents": torch.randn(4, 12, 64, generator=generator).half(),
        "tokens": torch.randint(NUM_TOKENS, (4, 12), generator=generator).short(),
        "spans": torch.ones(4, 12, dtype=torch.int8),
        "labels": torch.randint(3, (4, 3), generator=generator).byte(),
    }
    save_file(shard, dataset.latents_path(tmp_path, (12, 0)))
    return tmp_path


def test_a_resumed_training_ends_as_an_uninterrupted_one(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = work / "flow.safetensors"
    monkeypatch.setattr(flow, "WEIGHTS", weights)
    flow.train(work, 4)
    whole = load_file(weights)
    (work / "flow_000004.pt").unlink()
    weights.unlink()
    flow.train(work, 4)
    resumed = load_file(weights)
    assert whole.keys() == MiniNetwork().state_dict().keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
