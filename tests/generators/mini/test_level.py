"""The level that the codec tells without decoding, against that of the sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis import properties
from generators.mini.codec import MiniCodec


def test_level_follows_the_sound():
    codec = MiniCodec.from_pretrained()
    rate_hz, seconds = codec.sample_rate_hz, 1.5
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    tone = sum(np.sin(2 * np.pi * 220 * k * time_s) / k for k in range(1, 9)) * np.linspace(0.02, 0.3, len(time_s))
    latents = codec.encode(torch.from_numpy(tone.astype(np.float32))[None, None], rate_hz)
    told = codec.level_db(latents)[0].numpy()
    heard = properties.load("loudness").measure(codec.decode(latents)[0].numpy(), rate_hz, codec.frame_rate_hz).masked()
    inner = slice(4, -4)
    offset = np.median((told - heard[: len(told)])[inner])
    assert (told - heard[: len(told)])[inner] == pytest.approx(offset, abs=1.0)
    louder = codec.encode(torch.from_numpy((2 * tone).astype(np.float32))[None, None], rate_hz)
    assert np.median(codec.level_db(louder)[0].numpy() - told) == pytest.approx(6.02, abs=0.5)
