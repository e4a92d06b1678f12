from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

from generators import encoders
from generators.base import CheckpointError, RequestError
from tests.generators.encoders.tiny import MAKERS

RATES_HZ = {"mert": 24000}
FRAME_RATES_HZ = {"ast": 25.0, "mert": 75.0}


@pytest.fixture(scope="module", params=MAKERS)
def loaded(request, tmp_path_factory):
    folder = MAKERS[request.param](tmp_path_factory.mktemp("encoders") / request.param)
    return request.param, folder, encoders.load(folder)


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))


def test_layers_are_transformers_hidden_states(loaded):
    name, _, encoder = loaded
    audio = noise(encoder.sample_rate_hz // 2)
    states = encoder.encode(audio, encoder.sample_rate_hz, [0, 1, 2, 3])
    inputs = encoder.extractor(audio[0].numpy(), sampling_rate=encoder.sample_rate_hz, return_tensors="pt")
    model = encoder.model
    with torch.inference_mode():
        hidden = model(next(iter(inputs.values())), output_hidden_states=True).hidden_states
    assert states.shape[0] == 4
    checked = (0, 1, 2) if name == "whisper" else (0, 1, 2, 3)  # Whisper's list ends after the final norm
    for layer in checked:
        expected = hidden[layer][0]
        if name == "ast":
            expected = expected[2:].reshape(4, 25, -1).mean(0)
        torch.testing.assert_close(states[layer], expected[: states.shape[1]], rtol=0, atol=1e-6)
    assert not states.requires_grad


def test_frames_are_as_many_as_the_rate_says(loaded):
    name, _, encoder = loaded
    assert encoder.sample_rate_hz == RATES_HZ.get(name, 16000)
    assert encoder.frame_rate_hz == FRAME_RATES_HZ.get(name, 50.0)
    for seconds in (0.01, 0.2, 0.9):
        frames = encoder.encode(noise(int(seconds * 44100)), 44100, [1]).shape[1]
        assert 1 <= frames <= np.ceil(seconds * encoder.frame_rate_hz) + 1e-9 or frames == 1
        assert frames >= seconds * encoder.frame_rate_hz - 2
    assert encoder.width == 24
    assert encoder.layer_count == 3


def test_a_segment_gives_its_frames(loaded):
    _, _, encoder = loaded
    samples = round(encoder.segment_frames / encoder.frame_rate_hz * encoder.sample_rate_hz)
    if samples > 10 * encoder.sample_rate_hz:
        samples = encoder.sample_rate_hz
    frames = encoder.encode(noise(samples), encoder.sample_rate_hz, [1]).shape[1]
    assert frames >= samples / encoder.sample_rate_hz * encoder.frame_rate_hz - 1


def test_hooks_are_gone_afterwards_and_the_digest_is_of_the_weights(loaded):
    _, folder, encoder = loaded
    with pytest.raises(RequestError, match=r"no layer 4; .* has layers 0 to 3"):
        encoder.encode(noise(8000), encoder.sample_rate_hz, [4])
    before = hooks(encoder)  # transformers leaves some of its own
    encoder.encode(noise(8000), encoder.sample_rate_hz, [0, 2])
    assert hooks(encoder) == before
    assert encoders.load(folder).weights_sha256 == encoder.weights_sha256


def hooks(encoder) -> int:
    return sum(len(block._forward_hooks) + len(block._forward_pre_hooks) for block in encoder.blocks)


def test_frequency_bands_are_the_slow_index_of_ast(tmp_path):
    """A click late in the clip changes late frames most."""
    encoder = encoders.load(MAKERS["ast"](tmp_path))
    silence = noise(16000) * 1e-3
    click = silence.clone()
    click[0, 12000:12400] += 0.9
    change = (encoder.encode(click, 16000, [0]) - encoder.encode(silence, 16000, [0]))[0].abs().sum(1)
    assert abs(int(change.argmax()) - round(12000 / 16000 * 25)) <= 1


def test_a_mert_that_is_more_than_hubert_is_refused(tmp_path):
    MAKERS["mert"](tmp_path, feature_extractor_cqt=True)
    with pytest.raises(CheckpointError, match="feature_extractor_cqt True"):
        encoders.load(tmp_path)


def test_a_model_that_is_no_audio_encoder(tmp_path):
    transformers.BertConfig(hidden_size=8, num_attention_heads=1).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"type 'bert', not an audio encoder.*wavlm"):
        encoders.load(tmp_path)


def test_unknown_ids_and_empty_folders(tmp_path):
    with pytest.raises(CheckpointError, match="no folder here, so the hub was asked"):
        encoders.load("nobody/nothing")
    with pytest.raises(CheckpointError, match=r"holds no config\.json"):
        encoders.load(tmp_path)


def test_missing_parts_are_named(tmp_path):
    folder = MAKERS["hubert"](tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="preprocessor_config"):
        encoders.load(folder)
    folder = MAKERS["hubert"](tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(CheckpointError, match=r"lacks \d+ tensors of"):
        encoders.load(folder)
