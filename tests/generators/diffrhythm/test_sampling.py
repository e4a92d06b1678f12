from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from generators.diffrhythm import DiffRhythmTransformer, sample
from generators.testing import Edit, HookFailed, Recorder, fail, torch_hooks
from tests.generators.diffrhythm.test_transformer import build

POINTS = 4


@pytest.fixture(scope="module")
def transformer() -> DiffRhythmTransformer:
    torch.manual_seed(3)
    return build()


def song(batch: int = 1, frames: int = 12, **changes: Any) -> dict[str, Any]:
    random = torch.Generator().manual_seed(5)
    return {
        "noise": torch.randn(batch, frames, 8, generator=random),
        "cond": torch.randn(1, frames, 8, generator=random),
        "text": torch.randint(0, 10, (1, frames), generator=random),
        "style": torch.randn(1, 16, generator=random),
        "negative_style": torch.randn(1, 16, generator=random),
        "start_time": torch.zeros(1),
        "num_time_points": POINTS,
        **changes,
    }


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("name", ["transformer_blocks.2", "transformer_blocks.0.mlp", "text_embed", "time_embed"])
def test_hidden_states_are_those_of_a_plain_call(transformer: DiffRhythmTransformer, name: str, batched: bool) -> None:
    """What a hook sees of a branch is what that branch's own network call computes there."""
    given, recorder, seen = song(2), Recorder("x_t", name), {}
    sample(transformer, **given, hooks=[recorder], batched=batched)
    module = transformer.get_submodule(name)
    shared = {key: given[key].expand(2, *given[key].shape[1:]) for key in ("text", "start_time")}
    for step in range(POINTS - 1):
        for branch, style, dropped in (("cond", "style", False), ("uncond", "negative_style", True)):
            handle = module.register_forward_hook(lambda m, a, output: seen.update(value=output))
            with torch.no_grad():
                transformer(
                    recorder.at("x_t", step),
                    time=torch.tensor(step / (POINTS - 1)),
                    cond=torch.zeros(2, 12, 8),
                    style=given[style].expand(2, -1),
                    drop_text=dropped,
                    **shared,
                )
            handle.remove()
            torch.testing.assert_close(recorder.at(name, step, branch), seen["value"], atol=1e-5, rtol=1e-5)


def test_batched_branches_differ_in_rounding_only(transformer: DiffRhythmTransformer) -> None:
    apart, together = sample(transformer, **song())[0], sample(transformer, **song(), batched=True)[0]
    torch.testing.assert_close(apart, together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("hook", [Recorder(), Edit(lambda value: value + 0)], ids=["observe", "add zero"])
def test_watching_changes_no_bit(transformer: DiffRhythmTransformer, hook: Any, batched: bool) -> None:
    plain, _ = sample(transformer, **song(), batched=batched)
    watched, _ = sample(transformer, **song(), batched=batched, hooks=[hook])
    assert torch.equal(plain, watched)


def test_edit_of_a_constant_module_holds_for_its_step_and_branch(transformer: DiffRhythmTransformer) -> None:
    before, after = Recorder("velocity", "x_t"), Recorder("velocity", "x_t")
    edit = Edit(lambda value: value + 1, "text_embed", step=1, branches=["uncond"])
    sample(transformer, **song(), hooks=[before])
    sample(transformer, **song(), hooks=[edit, after])
    assert torch.equal(before.at("x_t", 1), after.at("x_t", 1))
    assert torch.equal(before.at("velocity", 1, "cond"), after.at("velocity", 1, "cond"))
    assert not torch.equal(before.at("velocity", 1, "uncond"), after.at("velocity", 1, "uncond"))


def test_constant_modules_run_once_per_branch(transformer: DiffRhythmTransformer) -> None:
    calls: list[Tensor] = []
    handle = transformer.text_embed.register_forward_hook(lambda m, args, output: calls.append(output))
    sample(transformer, **song())
    handle.remove()
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["x_t", "velocity", "text_embed", "transformer_blocks.1"])
def test_a_failing_hook_leaves_nothing_behind(transformer: DiffRhythmTransformer, name: str) -> None:
    plain, _ = sample(transformer, **song())
    with pytest.raises(HookFailed):
        sample(transformer, **song(), hooks=[Edit(fail, name, step=1)])
    assert torch_hooks(transformer) == 0
    assert torch.equal(sample(transformer, **song())[0], plain)


def test_trajectory_holds_what_hooks_left(transformer: DiffRhythmTransformer) -> None:
    trajectory, out = sample(transformer, **song(), hooks=[Edit(torch.zeros_like, "x_t", step=POINTS - 1)])
    assert trajectory.shape == (POINTS, 1, 12, 8)
    assert torch.equal(trajectory[0], song()["noise"])
    assert not trajectory[-1].any()
    assert torch.equal(out, trajectory[-1])


@pytest.mark.parametrize("guidance", [0.0, 9e-6])
def test_small_guidance_runs_one_branch(transformer: DiffRhythmTransformer, guidance: float) -> None:
    recorder = Recorder("velocity")
    sample(transformer, **song(), guidance=guidance, hooks=[recorder])
    assert {point.branch for point, _ in recorder.seen} == {"cond", None}


def test_sway_moves_the_points(transformer: DiffRhythmTransformer) -> None:
    recorder = Recorder("x_t")
    sample(transformer, **song(), sway=-1.0, hooks=[recorder])
    times = [point.t for point, _ in recorder.seen]
    assert times[0] == 0
    assert times[-1] == 1
    assert all(t < k / (POINTS - 1) for k, t in enumerate(times[1:-1], start=1))


def test_edit_keeps_the_other_frames(transformer: DiffRhythmTransformer) -> None:
    given = song(2)
    longer = torch.cat([given["cond"], torch.randn(1, 3, 8)], dim=1)
    trajectory, out = sample(transformer, **{**given, "cond": longer}, regenerate=[(-2, 2), (8, 99)])
    kept = slice(2, 8)
    assert torch.equal(out[:, kept], given["cond"][:, kept].expand(2, -1, -1))
    assert torch.equal(out[:, 8:], trajectory[-1][:, 8:])
    assert torch.equal(out[:, :2], trajectory[-1][:, :2])
    whole, _ = sample(transformer, **given)
    assert not torch.equal(trajectory[-1], whole[-1]), "the network did not see the kept frames"


@pytest.mark.parametrize("batched", [False, True])
def test_an_edit_is_the_plain_loop(transformer: DiffRhythmTransformer, batched: bool) -> None:
    """A batch under sway and an edit, against the description's own loop with every condition passed at every call."""
    given, scale, sway = song(2), 3.0, -0.7
    mask = torch.zeros(12, 1, dtype=torch.bool)
    mask[3:6] = mask[9:] = True
    shared = {"text": given["text"].expand(2, -1), "start_time": given["start_time"].expand(2)}
    shown = given["cond"].masked_fill(mask, 0.0).expand(2, -1, -1)
    t = torch.linspace(0, 1, POINTS)
    t = t + sway * (torch.cos(torch.pi / 2 * t) - 1 + t)
    states = [given["noise"]]
    with torch.no_grad():
        for time, step in zip(t, t.diff(), strict=False):
            call = {**shared, "time": time, "cond": shown}
            cond = transformer(states[-1], style=given["style"].expand(2, -1), **call)
            null = transformer(
                states[-1], style=given["negative_style"].expand(2, -1), drop_audio=True, drop_text=True, **call
            )
            states.append(states[-1] + step * (cond + scale * (cond - null)))
    trajectory, out = sample(
        transformer, **given, guidance=scale, sway=sway, regenerate=[(3, 6), (9, 6144)], batched=batched
    )
    torch.testing.assert_close(trajectory, torch.stack(states), atol=5e-5, rtol=0)
    torch.testing.assert_close(out, torch.where(mask, states[-1], given["cond"]), atol=5e-5, rtol=0)


def test_times_may_be_plain_numbers(transformer: DiffRhythmTransformer) -> None:
    rows = sample(transformer, **song(2, start_time=torch.full((2,), 0.25)), duration=torch.full((1,), 0.5))
    numbers = sample(transformer, **song(2, start_time=0.25), duration=torch.tensor(0.5))
    assert torch.equal(rows[0], numbers[0])


def test_no_graph_is_kept(transformer: DiffRhythmTransformer) -> None:
    given = song(2)
    wanting = {name: given[name].clone().requires_grad_() for name in ("noise", "cond", "style")}
    strided = {"noise": wanting["noise"].transpose(1, 2).contiguous().transpose(1, 2)}
    for pair in zip(
        sample(transformer, **given, regenerate=[(3, 5)]),
        sample(transformer, **{**given, **wanting, **strided}, regenerate=[(3, 5)]),
        strict=True,
    ):
        assert torch.equal(*pair)
        assert not pair[1].requires_grad


def test_nothing_is_kept_without_ranges(transformer: DiffRhythmTransformer) -> None:
    silent = song(cond=torch.zeros(1, 12, 8))
    assert torch.equal(sample(transformer, **song())[1], sample(transformer, **silent)[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cond": torch.zeros(1, 11, 8)}, "reference has 11 frames, the song 12"),
        ({"style": torch.zeros(3, 16)}, "style has batch 3; give 1 or the noise's 2"),
        ({"num_time_points": 1}, "num_time_points is 1"),
        ({"regenerate": [(5, 2)]}, "half-open"),
    ],
)
def test_bad_arguments(transformer: DiffRhythmTransformer, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(transformer, **song(2, **changes))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_keep_a_float32_state(transformer: DiffRhythmTransformer, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    half, recorder = build().to(dtype=dtype), Recorder("x_t", "velocity", "x1_hat", "transformer_blocks.0")
    sample(half, **song(), hooks=[recorder])
    types = {point.name: value.dtype for point, value in recorder.seen}
    assert types.pop("transformer_blocks.0") == dtype
    assert set(types.values()) == {torch.float32}
