from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.diffrhythm import DiffRhythmTransformer
from generators.diffrhythm.positions import Rotary

SMALL = {
    "dim": 64,
    "depth": 4,
    "heads": 4,
    "ff_mult": 2,
    "text_dim": 16,
    "cond_dim": 16,
    "conv_layers": 1,
    "mel_dim": 8,
    "text_num_embeds": 9,
    "max_frames": 12,
}


def build(**changes: Any) -> DiffRhythmTransformer:
    """A small network none of whose parameters is zero."""
    transformer = DiffRhythmTransformer(**{**SMALL, **changes})
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return transformer.eval()


def settings(transformer: DiffRhythmTransformer) -> dict[str, Any]:
    """The constructor's values; diffusers adds private entries to them."""
    return {name: value for name, value in transformer.config.items() if not name.startswith("_")}


def arguments(batch: int = 2, frames: int = 12) -> dict[str, Tensor]:
    return {
        "x": torch.randn(batch, frames, 8),
        "cond": torch.randn(batch, frames, 8),
        "text": torch.randint(0, 10, (batch, frames)),
        "time": torch.rand(batch),
        "style": torch.randn(batch, 16),
        "start_time": torch.rand(batch),
        "duration": torch.rand(batch),
    }


@pytest.mark.parametrize(
    "changes",
    [{}, {"duration_embedding": True}, {"long_skip": True}, {"attention": "causal"}, {"modulation": True}],
    ids=str,
)
def test_save_and_load(tmp_path: Path, changes: dict[str, Any]) -> None:
    transformer, given = build(**changes), arguments()
    transformer.save_pretrained(tmp_path)
    loaded = DiffRhythmTransformer.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert settings(loaded) == settings(transformer)
    assert loaded.state_dict().keys() == transformer.state_dict().keys()
    assert torch.equal(loaded(**given), transformer(**given))


def test_state_dict_has_the_published_names_and_no_buffers() -> None:
    transformer = build()
    names = set(transformer.state_dict())
    assert len(names) == 8 + 11 + 6 + 4 * 9 + 2 * 2 + 4
    assert "transformer_blocks.3.self_attn.o_proj.weight" in names
    assert "text_fusion_linears.1.0.bias" in names
    assert "input_embed.conv_pos_embed.conv1d.2.weight" in names
    assert not list(transformer.buffers())


def test_published_size() -> None:
    with torch.device("meta"):
        base = DiffRhythmTransformer()
        full = DiffRhythmTransformer(max_frames=6144, duration_embedding=True)
    assert (len(base.state_dict()), base.num_parameters()) == (219, 1_109_315_648)
    assert (len(full.state_dict()), full.num_parameters()) == (223, 1_109_709_888)


def test_zero_modulation_is_no_modulation() -> None:
    plain, modulated, given = build(), DiffRhythmTransformer(**SMALL, modulation=True), arguments()
    faults = modulated.load_state_dict(plain.state_dict(), strict=False)
    assert all("modulation" in name or name.startswith("style_embed") for name in faults.missing_keys)
    assert torch.equal(modulated(**given), plain(**given))


def test_modulation_reaches_every_block() -> None:
    transformer, given = build(modulation=True), arguments()
    before = transformer(**given)
    for block in transformer.transformer_blocks:
        saved = block.modulation.weight.clone()
        block.modulation.weight.data.zero_()
        assert not torch.allclose(transformer(**given), before)
        block.modulation.weight.data.copy_(saved)


def test_prepared_conditions_give_the_same_bits() -> None:
    transformer, given = build(duration_embedding=True), arguments()
    x, time = given["x"], given["time"]
    conditions = transformer.prepare(**{k: v for k, v in given.items() if k not in ("x", "time")}, drop_text=True)
    assert torch.equal(transformer(x, time=time, conditions=conditions), transformer(**given, drop_text=True))


def test_dropping_is_zeroing() -> None:
    transformer, given = build(), arguments()
    for name, flag in (("cond", "drop_audio"), ("text", "drop_text"), ("style", "drop_style")):
        zeroed = {**given, name: torch.zeros_like(given[name])}
        assert torch.equal(transformer(**given, **{flag: True}), transformer(**zeroed))
        assert not torch.equal(transformer(**given), transformer(**zeroed))


@pytest.mark.parametrize("name", ["time", "start_time", "duration"])
@pytest.mark.parametrize("one", [0.3, torch.tensor(0.3), torch.tensor([0.3]), 0, 1], ids=repr)
def test_one_number_is_every_item_s(name: str, one: Tensor | float) -> None:
    transformer, given = build(duration_embedding=True), arguments()
    assert torch.equal(
        transformer(**{**given, name: one}), transformer(**{**given, name: torch.full((2,), float(one))})
    )


def test_only_bidirectional_attention_looks_ahead() -> None:
    """Frame 0 is 61 frames away from what the convolutions let frame 95 reach."""
    given = arguments(1, 96)
    given["text"].zero_()
    changed = given["x"].clone()
    changed[:, -1] += 1
    for attention, same in (("causal", True), ("bidirectional", False)):
        transformer = build(attention=attention)
        before, after = transformer(**given), transformer(**{**given, "x": changed})
        assert torch.equal(before[:, :60], after[:, :60]) is same


def test_positions_stay_float32() -> None:
    """Tables that blocks of half type get at a late frame are those of float64, which rounded frequencies miss."""
    transformer, given = build(depth=1, max_frames=3000).half(), arguments(1, 3000)
    tables: list[Rotary] = []
    transformer.transformer_blocks[0].register_forward_pre_hook(lambda m, args: tables.append(args[1]))
    with torch.no_grad():
        transformer(**given)
    frequencies = 10000.0 ** -(torch.arange(0, 16, 2).double() / 16)
    exact = 2999 * frequencies
    ((cos, sin),) = tables
    torch.testing.assert_close(cos[-1].double(), exact.cos().repeat(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(sin[-1].double(), exact.sin().repeat(2), atol=1e-3, rtol=0)
    rounded = 2999 * frequencies.half().double()
    assert (rounded.cos() - exact.cos()).abs().max() > 0.05


def test_frames_beyond_the_table_share_its_last_position() -> None:
    short, long = build(conv_layers=1, max_frames=4), arguments(1, 12)
    seen: list[Tensor] = []
    with torch.no_grad():
        short.text_embed.text_blocks.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
        short(**{**long, "text": torch.zeros_like(long["text"])})
    (rows,) = seen
    assert torch.equal(rows[:, 3:], rows[:, 3:4].expand(-1, 9, -1))
    assert not torch.equal(rows[:, 2], rows[:, 3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 72}, "multiple of 16"),
        ({"heads": 5}, "twice the number of heads"),
        ({"text_dim": 32}, "must equal cond_dim"),
        ({"attention": "sideways"}, "neither"),
    ],
)
def test_impossible_sizes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiffRhythmTransformer(**{**SMALL, **changes})


def test_incomplete_calls() -> None:
    transformer, given = build(duration_embedding=True), arguments()
    with pytest.raises(ValueError, match="pass duration"):
        transformer(**{**given, "duration": None})
    with pytest.raises(ValueError, match="one token per frame"):
        transformer(**{**given, "text": given["text"][:, :-1]})
    with pytest.raises(ValueError, match="or conditions"):
        transformer(given["x"], time=given["time"])


def test_every_parameter_learns_under_autocast() -> None:
    transformer = build(duration_embedding=True, long_skip=True, modulation=True)
    with torch.autocast("cpu", torch.bfloat16):
        velocity = transformer(**arguments())
    assert velocity.dtype == torch.float32
    velocity.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in transformer.parameters())
