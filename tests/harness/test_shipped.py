from __future__ import annotations

import json

from generators.codecs.closed_form import ClosedFormCodec
from harness import shipped


def test_only_exactly_the_same_weights_find_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "HOME", tmp_path)
    folder = tmp_path / "some"
    for name in ("sae", "sae_random", "probes/latents", "probes/x_t"):
        (folder / name).mkdir(parents=True)
    for place in ("latents/pitch", "latents/loudness", "x_t/pitch"):
        (folder / "probes" / f"{place}.json").write_text("{}")
    (folder / "source.json").write_text(json.dumps({"model_id": "org/codec", "weights_sha256": "ab" * 32}))

    assert shipped.find_sae("org/codec", "ab" * 32) == folder / "sae"
    assert shipped.find_sae("org/codec", "ab" * 32, control=True) == folder / "sae_random"
    assert set(shipped.find_probes("org/codec", "ab" * 32)) == {"pitch", "loudness"}
    assert shipped.find_probes("org/codec", "ab" * 32, "x_t") == {"pitch": folder / "probes" / "x_t" / "pitch.json"}
    assert shipped.find_probes("org/codec", "ab" * 32, "x1_hat") == {}
    assert shipped.find_sae("org/codec", "cd" * 32) is None
    assert shipped.find_sae("other", "ab" * 32) is None


def test_nothing_is_shipped_for_a_codec_without_weights():
    codec = ClosedFormCodec()
    assert shipped.find_sae(codec.id, codec.weights_sha256) is None
    assert shipped.find_probes(codec.id, codec.weights_sha256) == {}
