"""Every recorded tensor of the original network and sampler, at the recorded tolerances."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from torch import Tensor

from generators.diffrhythm import DiffRhythmTransformer, sample
from generators.diffrhythm.positions import Rotary
from tests.generators.diffrhythm.conftest import Loader
from tests.generators.diffrhythm.vectors import (
    CALL_ATOL,
    HALF_CALL_ATOL,
    HALF_TRAJECTORY_RELATIVE,
    PLACES,
    TRAJECTORY_ATOL,
    read,
)

CALLS: dict[str, dict[str, Any]] = {
    "cond": {"style": "style"},
    "null": {"style": "neg_style", "drop_audio": True, "drop_text": True},
    "drop_audio": {"style": "style", "drop_audio": True},
    "drop_text": {"style": "style", "drop_text": True},
    "drop_prompt": {"style": "style", "drop_style": True},
}
"""Recorded name of a network call -> how to make it."""

MODULES = {
    "time_emb": "time_embed",
    "start_emb": "start_time_embed",
    "duration_emb": "duration_time_embed",
    "text_emb": "text_embed",
    "input_emb": "input_embed",
    "block0_attn_out": "transformer_blocks.0.self_attn",
    "norm_out": "norm_out",
    **{f"block{i}_out": f"transformer_blocks.{i}" for i in range(4)},
    **{f"fusion{j}": f"text_fusion_linears.{j}" for j in range(2)},
}
"""Recorded name of a hidden state -> module whose output it is."""

SAMPLES = [
    ("base", "base/sample"),
    ("base", "base/sample_nocfg"),
    ("full", "full/sample"),
    ("tiny_full", "tiny_full/sample"),
]


def call(network: DiffRhythmTransformer, inputs: dict[str, Tensor], branch: str) -> Tensor:
    arguments = dict(CALLS[branch])
    style = inputs[arguments.pop("style")]
    shared = {name: value for name, value in inputs.items() if name not in ("style", "neg_style", "x")}
    with torch.no_grad():
        return network(inputs["x"], style=style, **shared, **arguments)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("base", "base/forward"),
        ("base", "base/forward_batch2"),
        ("full", "full/forward"),
        ("tiny_full", "tiny_full/forward"),
    ],
)
def test_calls(network: Loader, name: str, file: str) -> None:
    recording = read(f"{file}.safetensors")
    for branch in CALLS:
        expected = recording.tensors[f"{branch}.out"]
        actual = call(network(name), recording.inputs(), branch)
        torch.testing.assert_close(actual, expected, atol=CALL_ATOL, rtol=0, msg=lambda text, b=branch: f"{b}: {text}")


@pytest.mark.parametrize(("name", "file"), [("base", "base/forward"), ("tiny_full", "tiny_full/forward")])
@pytest.mark.parametrize("branch", ["cond", "null"])
def test_hidden_states(network: Loader, name: str, file: str, branch: str) -> None:
    recording, transformer, seen = read(f"{file}.safetensors"), network(name), {}
    recorded = {key.removeprefix(f"{branch}."): v for key, v in recording.tensors.items() if key.startswith(branch)}
    modules = {key: MODULES[key] for key in recorded if key in MODULES}
    handles = [
        transformer.get_submodule(path).register_forward_hook(lambda m, a, out, key=key: seen.update({key: out}))
        for key, path in modules.items()
    ]
    entering = transformer.norm_out.register_forward_pre_hook(lambda m, args: seen.update(norm_out_in=args[0]))
    added = transformer.text_embed.text_blocks.register_forward_pre_hook(
        lambda m, args: seen.update(text_emb_with_pos=args[0])
    )
    call(transformer, recording.inputs(), branch)
    for handle in (*handles, entering, added):
        handle.remove()
    if branch == "cond":
        frames, head_dim = recorded["rope_cos"].shape[1:]
        seen["rope_cos"], seen["rope_sin"] = (table[None] for table in Rotary.at(torch.arange(frames), head_dim))
    for key in recorded.keys() - {"out"}:
        torch.testing.assert_close(seen[key], recorded[key], atol=CALL_ATOL, rtol=0)


@pytest.mark.parametrize(
    ("name", "file", "inputs"),
    [
        ("legacy", "base/legacy_causal", "base/forward"),
        ("long_skip", "tiny_full/forward_long_skip", "tiny_full/forward"),
    ],
)
@pytest.mark.parametrize("branch", ["cond", "null"])
def test_variants(network: Loader, name: str, file: str, inputs: str, branch: str) -> None:
    expected = read(f"{file}.safetensors").tensors[f"{branch}.out"]
    actual = call(network(name), read(f"{inputs}.safetensors").inputs(), branch)
    torch.testing.assert_close(actual, expected, atol=CALL_ATOL, rtol=0)


def test_half_call(network: Loader) -> None:
    inputs = {
        name: value.half() if value.is_floating_point() else value
        for name, value in read("base/forward.safetensors").inputs().items()
    }
    expected = read("base/forward_half.safetensors").tensors["out"]
    actual = call(network("base_half"), inputs, "cond")
    assert actual.dtype == torch.float16
    torch.testing.assert_close(actual, expected, atol=HALF_CALL_ATOL, rtol=0)


def run(network: DiffRhythmTransformer, tensors: dict[str, Tensor], metadata: dict[str, str], **changes: Any) -> Any:
    given = {name.removeprefix("in."): value for name, value in tensors.items() if name.startswith("in.")}
    noise = tensors["trajectory"][0]
    ranges = ast.literal_eval(metadata["latent_pred_segments"]) if "latent_pred_segments" in metadata else None
    sway = metadata.get("sway_sampling_coef")
    repeats = int(metadata.get("batch_infer_num", 1))
    return sample(
        network,
        noise=noise,
        cond=given.get("cond", torch.zeros(1, 6144, noise.shape[-1])),
        text=given["text"].repeat(repeats if len(given["text"]) > 1 else 1, 1),
        style=given["style_prompt"],
        negative_style=given["negative_style_prompt"],
        start_time=given["start_time"],
        duration=given.get("song_duration"),
        num_time_points=int(metadata["steps"]),
        guidance=float(metadata["cfg_strength"]),
        sway=None if sway is None else float(sway),
        regenerate=ranges,
        **changes,
    )


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("name", "file"), SAMPLES)
def test_trajectories(network: Loader, name: str, file: str, batched: bool) -> None:
    tensors, metadata = read(f"{file}.safetensors")
    trajectory, out = run(network(name), tensors, metadata, batched=batched)
    torch.testing.assert_close(trajectory, tensors["trajectory"], atol=TRAJECTORY_ATOL, rtol=0)
    torch.testing.assert_close(out, tensors["out"], atol=TRAJECTORY_ATOL, rtol=0)


@pytest.mark.parametrize(("name", "file"), SAMPLES)
def test_noise_and_branches_of_trajectories(network: Loader, name: str, file: str) -> None:
    tensors, metadata = read(f"{file}.safetensors")
    seed, noise = int(metadata["seed"]), tensors["trajectory"][0]
    drawn = torch.randn(noise.shape[1:], generator=torch.Generator().manual_seed(seed))
    assert torch.equal(noise, drawn.expand_as(noise))
    shown: dict[tuple[Any, int], Tensor] = {}
    times: dict[int, float] = {}

    class Keep:
        def wants(self, point: Any) -> bool:
            return point.name == "velocity"

        def __call__(self, point: Any, value: Tensor) -> None:
            shown[point.branch, point.step] = value
            times[point.step] = point.t

    run(network(name), tensors, metadata, hooks=[Keep()])
    torch.testing.assert_close(torch.tensor(list(times.values())), tensors["t_eval"])
    for branch, key in (("cond", "pred_cond"), ("uncond", "pred_null")):
        if key in tensors:
            actual = torch.stack([shown[branch, step] for step in sorted(times)])
            torch.testing.assert_close(actual, tensors[key], atol=TRAJECTORY_ATOL, rtol=0)


def test_causal_trajectory(network: Loader) -> None:
    tensors, metadata = read("base/legacy_causal.safetensors")
    inputs = read("base/forward.safetensors").inputs()
    trajectory, out = sample(
        network("legacy"),
        noise=tensors["trajectory"][0],
        cond=torch.zeros_like(inputs["cond"]),
        text=inputs["text"],
        style=inputs["style"],
        negative_style=inputs["neg_style"],
        start_time=torch.zeros(1),
        num_time_points=int(metadata["steps"]),
        guidance=float(metadata["cfg_strength"]),
    )
    torch.testing.assert_close(trajectory, tensors["trajectory"], atol=TRAJECTORY_ATOL, rtol=0)
    torch.testing.assert_close(out, tensors["out"], atol=TRAJECTORY_ATOL, rtol=0)


def test_half_trajectory(network: Loader) -> None:
    tensors, metadata = read("base/sample_half.safetensors")
    trajectory, _ = run(network("base_half"), tensors, metadata)
    assert trajectory.dtype == torch.float32
    for state, expected in zip(trajectory, tensors["trajectory"].float(), strict=True):
        assert (state - expected).norm() <= HALF_TRAJECTORY_RELATIVE * expected.norm()


def test_edits(network: Loader) -> None:
    files = sorted(file for place in PLACES for file in place.glob("*/edit*.safetensors"))
    if not files:
        pytest.skip("no recorded edits are here")
    for file in files:
        tensors, metadata = read(f"{file.parent.name}/{file.name}")
        trajectory, out = run(network(file.parent.name), tensors, metadata)
        torch.testing.assert_close(trajectory, tensors["trajectory"], atol=TRAJECTORY_ATOL, rtol=0)
        if "no_ref_audio" not in metadata:
            torch.testing.assert_close(out, tensors["out"], atol=TRAJECTORY_ATOL, rtol=0)
