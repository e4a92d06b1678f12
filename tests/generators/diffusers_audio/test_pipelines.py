"""What the adapter promises beyond the published suite."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.hooks import apply_group_offloading
from torch import Tensor

from generators.base import GenerationRequest, HookPoint, RequestError
from generators.diffusers_audio.families import FAMILIES
from generators.diffusers_audio.generator import DiffusersGenerator
from generators.diffusers_audio.offload import device_of
from generators.noise import noise_from, streams
from generators.testing import Edit, Recorder
from tests.generators.diffusers_audio.tiny import TINY, stable_audio

LATENT_OUTPUT = [name for name in TINY if name not in ("audioldm", "musicldm")]
REQUEST = GenerationRequest("a soft drone", duration_s=0.25, num_inference_steps=3, guidance_scale=3.0, seed=3)

Tiny = Callable[[str], DiffusersGenerator]


def direct(generator: DiffusersGenerator, request: GenerationRequest) -> Tensor:
    """Call the pipeline by hand with the same noise and ask it for its latents."""
    request, random = generator.resolve(request), streams([request.seed])
    layout = generator._rehearse(request).layout
    arguments = generator._call.arguments([request], random)
    noise = layout.from_frames(noise_from(random, layout.frames, layout.channels)).contiguous()
    with torch.no_grad():
        output = generator.pipeline(**arguments, latents=noise)
    return layout.to_frames(output.audios)[0]


@pytest.mark.filterwarnings("ignore:Should have t[ab]")
@pytest.mark.parametrize("name", LATENT_OUTPUT)
def test_last_state_is_what_the_pipeline_gives(tiny: Tiny, name: str) -> None:
    generator = tiny(name)
    assert torch.equal(generator.generate(REQUEST, [Recorder()]).latents, direct(generator, REQUEST))


@pytest.mark.parametrize("name", ["audioldm", "musicldm"])
def test_watching_changes_nothing_where_latents_are_not_given(tiny: Tiny, name: str) -> None:
    generator, seen = tiny(name), Recorder("x_t", "velocity")
    assert torch.equal(generator.generate(REQUEST, [seen]).latents, generator.generate(REQUEST).latents)
    assert {point.branch for point, _ in seen.seen if point.name == "velocity"} == {"cond", "uncond", None}


class Watch:
    """Hook that looks at the scheduler right after step 1, when ``x_t`` of step 2 is shown."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self.look = look
        self.found: Any = None

    def wants(self, point: HookPoint) -> bool:
        return point.name == "x_t" and point.step == 2

    def __call__(self, point: HookPoint, value: Tensor) -> None:
        self.found = self.look()


@pytest.mark.parametrize("name", ["stable-audio", "stable-audio-sde"])
def test_an_edit_of_x1_hat_moves_the_schedulers_own(tiny: Tiny, name: str) -> None:
    generator = tiny(name)
    seen = []
    for edit in ([], [Edit(lambda value: value + 0.5, "x1_hat", step=1, branches=[None])]):
        watch = Watch(lambda: generator.pipeline.scheduler.model_outputs[-1].clone())
        generator.generate(REQUEST, [*edit, watch])
        seen.append(watch.found)
    torch.testing.assert_close(seen[1] - seen[0], torch.full_like(seen[0], 0.5), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["stable-audio-3", "longcat", "audioldm2"])
def test_the_same_edit_of_both_branches_moves_the_guided_one_by_it(tiny: Tiny, name: str) -> None:
    generator, before, after = tiny(name), Recorder("x1_hat"), Recorder("x1_hat")
    generator.generate(REQUEST, [before])
    generator.generate(REQUEST, [Edit(lambda v: v + 0.5, "x1_hat", step=1, branches=["cond", "uncond"]), after])
    moved = after.at("x1_hat", 1) - before.at("x1_hat", 1)
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["stable-audio-3", "longcat", "audioldm2", "stable-audio"])
def test_guided_follows_from_the_branches(tiny: Tiny, name: str) -> None:
    generator, seen = tiny(name), Recorder("velocity")
    generator.generate(REQUEST, [seen])
    cond, uncond = seen.at("velocity", 1, "cond"), seen.at("velocity", 1, "uncond")
    torch.testing.assert_close(seen.at("velocity", 1), uncond + 3.0 * (cond - uncond), rtol=1e-3, atol=1e-4)


def test_levels_are_in_the_plan_and_map_back(tiny: Tiny) -> None:
    plan = tiny("stable-audio").plan(REQUEST)
    alpha, sigma = plan.sampler["alpha"], plan.sampler["sigma"]
    assert [a / (a + s) for a, s in zip(alpha, sigma, strict=True)] == list(plan.times)
    assert sigma[0] == pytest.approx(500)
    assert (alpha[-1], sigma[-1]) == (1, 0)


def test_a_failing_hook_leaves_the_scheduler(tiny: Tiny) -> None:
    generator = tiny("stable-audio")
    kind = type(generator.pipeline.scheduler)
    with pytest.raises(ValueError, match="returned"):
        generator.generate(REQUEST, [Edit(lambda value: value[..., :1], "velocity", step=1)])
    assert type(generator.pipeline.scheduler) is kind is diffusers.EDMDPMSolverMultistepScheduler


def test_a_copied_scheduler_is_not_watched(tiny: Tiny) -> None:
    """As pipelines of sound with video copy theirs: the copy works and drives nothing of the original's."""
    generator = tiny("stable-audio-3")
    original = generator.pipeline.scheduler
    copies: list[Any] = []

    def step_a_copy() -> int:
        copies.append(copy.deepcopy(original))
        copies[0].step(torch.zeros(1, 8, 3), original.timesteps[2], torch.ones(1, 8, 3))
        return int(original.step_index)

    watch = Watch(step_a_copy)
    assert torch.equal(generator.generate(REQUEST, [watch]).latents, generator.generate(REQUEST).latents)
    assert watch.found == 2
    assert isinstance(copies[0], diffusers.FlowMatchEulerDiscreteScheduler)


def test_two_pipelines_in_one_process(tiny: Tiny) -> None:
    """One runs inside a hook of the other, and neither notices."""
    outer, inner = tiny("stable-audio-3"), tiny("ace-step")
    alone = inner.generate(REQUEST).latents
    watch = Watch(lambda: inner.generate(REQUEST, [Recorder()]).latents)
    assert torch.equal(outer.generate(REQUEST, [watch]).latents, outer.generate(REQUEST).latents)
    assert torch.equal(watch.found, alone)


@pytest.mark.slow
def test_hidden_layers_of_a_compiled_network_are_seen() -> None:
    pipeline = stable_audio()
    generator = DiffusersGenerator(pipeline, "compiled")
    generator.denoiser.compile(backend="eager")
    generator.generate(REQUEST)
    seen = Recorder("transformer_blocks.1")
    traced = generator.generate(REQUEST, [seen])
    assert len(seen.seen) == 6
    torch.testing.assert_close(traced.latents, generator.generate(REQUEST).latents)


def test_bfloat16_is_shown_in_float32_and_stays_itself() -> None:
    pipeline = stable_audio().to(torch.bfloat16)
    generator, seen = DiffusersGenerator(pipeline, "half"), Recorder("x_t", "velocity")
    plain, traced = generator.generate(REQUEST), generator.generate(REQUEST, [seen, Edit(Tensor.clone, "x1_hat")])
    assert {value.dtype for _, value in seen.seen} == {torch.float32}
    assert torch.equal(plain.latents, traced.latents)


def test_loudness_is_the_models_own(tiny: Tiny) -> None:
    """ACE-Step scales its output to -1 dBFS; here the decoder's level stays."""
    generator = tiny("ace-step")
    generation = generator.generate(REQUEST)
    decoded = generator.codec.decode(generation.latents[None])[0].abs().max()
    assert abs(float(abs(generation.audio).max()) - float(decoded)) < 1e-6
    assert float(decoded) != pytest.approx(10 ** (-1 / 20), abs=1e-3)


class HomemadePipeline(diffusers.StableAudioPipeline):
    """Not in the table."""


def test_an_unknown_pipeline_is_seen_at_its_scheduler() -> None:
    assert "HomemadePipeline" not in FAMILIES
    pipeline = HomemadePipeline(**stable_audio().components)
    generator, seen = DiffusersGenerator(pipeline, "homemade"), Recorder()
    generation = generator.generate(REQUEST, [seen])
    assert torch.equal(generation.latents, generator.generate(REQUEST).latents)
    assert {(point.name, point.branch) for point, _ in seen.seen} == {
        (name, None) for name in ("x_t", "velocity", "x1_hat")
    }
    assert generator.plan(REQUEST).branches == ()
    assert "branches and hidden layers were not seen" in generation.notes[0]
    t = generator.plan(REQUEST).times[1]
    torch.testing.assert_close(seen.at("x1_hat", 1), seen.at("x_t", 1) + (1 - t) * seen.at("velocity", 1))
    moved = generator.generate(REQUEST, [Edit(torch.zeros_like, "x_t", step=0)])
    assert not torch.equal(moved.latents, generation.latents)


def test_an_unknown_scheduler_is_named() -> None:
    pipeline = TINY["audioldm2"]()
    pipeline.scheduler = diffusers.PNDMScheduler(skip_prk_steps=True, beta_schedule="scaled_linear")
    generator = DiffusersGenerator(pipeline, "pndm")
    with pytest.raises(RequestError, match=r"PNDMScheduler is not known.*scheduler=NAME \(DDIMScheduler"):
        generator.generate(REQUEST)
    advised = dataclasses.replace(REQUEST, options={"scheduler": "DDIMScheduler"})
    assert generator.generate(advised, [Recorder("x1_hat")]).latents.isfinite().all()
    states = dataclasses.replace(REQUEST, options={"record": "x_t"})
    assert "x_t alone was recorded" in generator.generate(states).notes[0]


@pytest.mark.parametrize("offload_type", ["leaf_level", "block_level"])
def test_an_offloaded_network_is_seen(tiny: Tiny, offload_type: str) -> None:
    """As ``enable_group_offload`` does it; the CPU stands in for the accelerator."""
    pytest.importorskip("accelerate", reason="offloading is done by accelerate, which is not installed")
    offloaded = DiffusersGenerator(stable_audio(), "offloaded")
    cpu, blocks = torch.device("cpu"), {"num_blocks_per_group": 1} if offload_type == "block_level" else {}
    apply_group_offloading(offloaded.denoiser, cpu, cpu, offload_type=offload_type, **blocks)
    edit, mine, theirs = Edit(lambda v: v + 0.5, "x1_hat", step=1), Recorder(), Recorder()
    found = offloaded.generate(REQUEST, [edit, mine]).latents
    torch.testing.assert_close(found, tiny("stable-audio").generate(REQUEST, [edit, theirs]).latents)
    assert [point for point, _ in mine.seen] == [point for point, _ in theirs.seen]
    assert any(point.name == "transformer_blocks.1" for point, _ in mine.seen)


def test_weights_kept_elsewhere_are_the_same_weights(tiny: Tiny) -> None:
    """As ``enable_sequential_cpu_offload`` keeps them: the network itself then holds none."""
    accelerate = pytest.importorskip("accelerate", reason="offloading is done by accelerate, which is not installed")
    generator, same = DiffusersGenerator(stable_audio(), "offloaded"), tiny("stable-audio")
    accelerate.cpu_offload(generator.denoiser, torch.device("cpu"), offload_buffers=True)
    assert (generator.denoiser.device.type, device_of(generator.denoiser).type) == ("meta", "cpu")
    assert generator.weights_sha256 == same.weights_sha256
    assert torch.equal(generator.generate(REQUEST, [Recorder()]).latents, same.generate(REQUEST).latents)
    accelerate.cpu_offload(generator.codec.vae, torch.device("cpu"), offload_buffers=True)
    assert generator.codec.weights_sha256 == same.codec.weights_sha256


def test_every_audio_pipeline_of_diffusers_is_accounted_for() -> None:
    """In the table, or named on the page as one that is not run."""
    page = (Path(__file__).parents[3] / "docs" / "diffusers.md").read_text(encoding="utf-8")
    names = {name for group in diffusers._import_structure.values() for name in group if name.endswith("Pipeline")}
    audio = {name for name in names if re.search("Audio|Music|AceStep|DanceDiffusion|Spectrogram", name)}
    assert set(FAMILIES) < audio
    assert [name for name in sorted(audio - set(FAMILIES)) if f"`{name}`" not in page] == []


def test_states_alone() -> None:
    request = GenerationRequest(
        "rain", duration_s=0.25, num_inference_steps=3, guidance_scale=3.0, options={"record": "x_t"}
    )
    generator, seen = DiffusersGenerator(stable_audio(), "states"), Recorder("x_t", "velocity")
    generation = generator.generate(request, [seen])
    assert seen.at("velocity", 1).isnan().all()
    assert torch.equal(seen.at("x_t", 3)[0], generation.latents)
    assert generator.plan(request).times == (0, 1 / 3, 2 / 3, 1)
    with pytest.raises(RequestError, match="x_t alone"):
        generator.generate(request, [Edit(torch.zeros_like, "x1_hat")])


@pytest.mark.parametrize(
    ("name", "request_", "phrase"),
    [
        ("stable-audio", {"options": {"shift": 1}}, "unknown option `shift`"),
        ("stable-audio", {"options": {"num_waveforms_per_prompt": 2}}, "one request is one waveform"),
        ("stable-audio", {"options": {"num_waveforms_per_prompt": 1}}, None),
        ("stable-audio", {"negative_prompt": "noise"}, None),
        ("stable-audio", {"duration_s": 5.0}, "at most 0.6"),
        ("stable-audio", {"lyrics": "la"}, "does not sing"),
        ("stable-audio", {"options": {"record": "some"}}, "give all or x_t"),
        ("stable-audio", {"options": {"scheduler": "DDIMScheduler"}}, "does not fit"),
        ("audioldm2", {"options": {"eta": "much"}}, None),
        ("audioldm2", {"duration_s": 0.001}, "AudioLDM2Pipeline refuses this"),
        ("ace-step", {"options": {"shift": -1.0}}, "AceStepPipeline refuses this"),
    ],
)
def test_bad_requests(tiny: Tiny, name: str, request_: dict[str, Any], phrase: str | None) -> None:
    request = GenerationRequest(**{"prompt": "rain", "num_inference_steps": 3, **request_})
    if phrase is None:
        tiny(name).plan(request)
        return
    with pytest.raises(RequestError, match=phrase) as error:
        tiny(name).plan(request)
    assert "\n" not in str(error.value)
