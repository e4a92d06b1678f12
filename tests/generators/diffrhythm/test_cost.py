from __future__ import annotations

import pytest

from generators.diffrhythm.cost import call_flops

PUBLISHED = {
    "dim": 2048,
    "depth": 16,
    "ff_mult": 4,
    "text_dim": 512,
    "cond_dim": 512,
    "mel_dim": 64,
    "attention": "bidirectional",
}


@pytest.mark.parametrize(("frames", "teraflops"), [(2048, 5.08), (2799, 7.22), (6136, 18.5)])
def test_a_call_of_the_published_size(frames: int, teraflops: float) -> None:
    """The known figures hold the parts that are computed once per song, about 1 %."""
    assert call_flops(PUBLISHED, frames) / 1e12 == pytest.approx(teraflops, rel=0.02)


def test_causal_attention_has_half_the_pairs() -> None:
    both = [call_flops({**PUBLISHED, "attention": kind}, 6136) for kind in ("bidirectional", "causal")]
    assert (both[0] - both[1]) / 1e12 == pytest.approx(4.9 / 2, rel=0.02)
