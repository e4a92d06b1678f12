"""The exact flow against brute force, its limits, and what it promises about its planted factors."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from generators.base import CheckpointError, GenerationRequest, Generator
from generators.closed_form import ClosedFormDenoiser, ClosedFormGenerator
from generators.codecs.closed_form import FACTORS
from generators.noise import starting_noise
from generators.sampling import euler_sample, time_grid
from generators.testing import GeneratorTests, Recorder

FRAMES = 33


@functools.cache
def default() -> ClosedFormGenerator:
    return ClosedFormGenerator.from_pretrained()


class TestClosedForm(GeneratorTests):
    def generator(self) -> Generator:
        return default()

    def request(self) -> GenerationRequest:
        return GenerationRequest("loud", duration_s=0.5, num_inference_steps=4, guidance_scale=1.0, seed=3)


def brute_force(denoiser: ClosedFormDenoiser, x_t: Tensor, t: float, allowed: list[int]) -> tuple[list[float], Tensor]:
    """Posterior and velocity of one state, by loops over members and squared differences in float64."""
    latents = denoiser.latents[:, : x_t.shape[0]].double()
    logits = {}
    for i in allowed:
        distance = sum(
            float((x - t * x1) ** 2) for x, x1 in zip(x_t.double().flatten(), latents[i].flatten(), strict=True)
        )
        logits[i] = float(denoiser.log_weights[i]) - distance / (2 * (1 - t) ** 2)
    peak = max(logits.values())
    total = sum(math.exp(value - peak) for value in logits.values())
    posterior = [math.exp(logits[i] - peak) / total if i in logits else 0.0 for i in range(len(latents))]
    mean = sum((p * x1 for p, x1 in zip(posterior, latents, strict=True)), torch.zeros_like(latents[0]))
    return posterior, (mean - x_t.double()) / (1 - t)


@pytest.fixture
def small() -> ClosedFormDenoiser:
    random = torch.Generator().manual_seed(5)
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return ClosedFormDenoiser(torch.randn(4, 3, 2, generator=random), weights.log())


@pytest.mark.parametrize("t", [0.0, 0.3, 0.7, 0.95, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("allowed", [[0, 1, 2, 3], [1, 3]])
def test_posterior_and_velocity_equal_brute_force(small: ClosedFormDenoiser, t: float, allowed: list[int]) -> None:
    noise = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(6))
    x_t = (1 - t) * noise + t * small.latents[:2]
    mask = torch.isin(torch.arange(4), torch.tensor(allowed)).expand(2, -1)
    for index in range(2):
        posterior, velocity = brute_force(small, x_t[index], t, allowed)
        assert small.member_posterior(x_t, t, mask)[index].tolist() == pytest.approx(posterior, abs=1e-6)
        torch.testing.assert_close(small(x_t, t, mask)[index], velocity.float(), rtol=1e-4, atol=1e-4)


def test_fewer_frames_use_the_first_ones(small: ClosedFormDenoiser) -> None:
    x_t = torch.zeros(1, 2, 2)
    posterior, _ = brute_force(small, x_t[0], 0.5, [0, 1, 2, 3])
    assert small.member_posterior(x_t, 0.5)[0].tolist() == pytest.approx(posterior)


def test_at_noise_the_posterior_is_the_prior(small: ClosedFormDenoiser) -> None:
    x = 5 * torch.randn(3, 3, 2)
    expected = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).expand(3, -1)
    torch.testing.assert_close(small.member_posterior(x, 0.0), expected, rtol=1e-6, atol=0)
    mean = torch.einsum("n,ntc->tc", expected[0].float(), small.latents)
    torch.testing.assert_close(x + small(x, 0.0), mean.expand(3, -1, -1))


def test_near_data_the_posterior_is_the_nearest_member(small: ClosedFormDenoiser) -> None:
    t = 1 - 1e-6
    x = small.latents + 1e-6 * torch.randn(4, 3, 2)
    torch.testing.assert_close(small.member_posterior(x, t), torch.eye(4, dtype=torch.float64))
    torch.testing.assert_close(x + (1 - t) * small(x, t), small.latents)


def test_one_member_is_a_straight_line() -> None:
    point = torch.randn(1, 3, 2)
    denoiser = ClosedFormDenoiser(point, torch.zeros(1))
    noise = torch.randn(5, 3, 2)
    recorder = Recorder("velocity")
    final = euler_sample(lambda x, k, t, b: (denoiser(x, t),), noise, time_grid(6), hooks=[recorder])
    torch.testing.assert_close(final, point.expand(5, -1, -1))
    for _, velocity in recorder.seen:
        torch.testing.assert_close(velocity, point - noise, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("t", [1.0, -0.1, 1.5, math.nan])
def test_posterior_is_defined_before_the_end_only(small: ClosedFormDenoiser, t: float) -> None:
    with pytest.raises(ValueError, match="0 <= t < 1"):
        small.member_posterior(torch.zeros(1, 3, 2), t)


def run_flow(generator: ClosedFormGenerator, count: int, seed: int, recorder: Recorder | None = None) -> Tensor:
    """Final latents of ``count`` unconditional runs, without decoding them."""
    noise = starting_noise(range(seed, seed + count), FRAMES, 16)
    hooks = [recorder] if recorder else []
    return euler_sample(lambda x, k, t, b: (generator.denoiser(x, t),), noise, time_grid(32), hooks=hooks)


def test_sampling_ends_on_members_with_their_frequencies() -> None:
    latents = run_flow(default(), 1000, seed=0)
    member, levels = default().nearest(latents)
    off = (latents - default().denoiser.latents[member, :FRAMES]).abs().amax(dim=(1, 2))
    assert (off < 1e-5).float().mean() > 0.99
    for item in FACTORS:
        counts = torch.bincount(levels[item.name], minlength=len(item.levels))
        expected = [1000 * weight for weight in item.weights]
        assert chisquare(counts.tolist(), expected).pvalue > 0.01, item.name


@pytest.mark.parametrize(
    ("prompt", "allowed"),
    [
        ("loud C4", {"pitch": {0}, "loudness": {2}, "timbre": {0, 1, 2}}),
        ("a DARK, quiet tone: a4 or g4!", {"pitch": {3, 4}, "loudness": {0}, "timbre": {0}}),
        ("", {"pitch": {0, 1, 2, 3, 4}, "loudness": {0, 1, 2}, "timbre": {0, 1, 2}}),
    ],
)
def test_prompt_words_restrict_the_set(prompt: str, allowed: dict[str, set[int]]) -> None:
    requests = [GenerationRequest(prompt, duration_s=0.2, num_inference_steps=8, seed=seed) for seed in range(32)]
    latents = torch.stack([generation.latents for generation in default().generate_batch(requests)])
    _, levels = default().nearest(latents)
    assert {name: set(values.tolist()) for name, values in levels.items()} == allowed


def test_words_without_meaning_are_noted() -> None:
    assert default().generate(GenerationRequest("a loud flute")).notes == ("not understood: a, flute",)
    assert default().generate(GenerationRequest("loud")).notes == ()


def test_branches_differ_by_the_prompt_only() -> None:
    recorder = Recorder("x1_hat")
    default().generate(GenerationRequest("bright", guidance_scale=1.5), [recorder])
    bright = default().codec.embed(
        {
            "pitch": torch.tensor(FACTORS[0].weights),
            "loudness": torch.tensor(FACTORS[1].weights),
            "timbre": torch.tensor([0.0, 0.0, 1.0]),
        }
    )
    heard = torch.cat(list(default().codec.directions.values()))
    cond, uncond = recorder.at("x1_hat", 0, "cond")[0], recorder.at("x1_hat", 0, "uncond")[0]
    torch.testing.assert_close(cond @ heard.T, (bright @ heard.T).expand(FRAMES, -1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(cond, uncond)
    torch.testing.assert_close(recorder.at("x1_hat", 0)[0], cond + 1.5 * (cond - uncond), rtol=1e-4, atol=1e-5)


def test_factor_posterior_sums_the_member_posterior() -> None:
    x_t, _ = default().sample_at(0.2, 8, seed=1)
    members = default().posterior(x_t, 0.2)
    assert members.shape == (8, 90)
    for item in FACTORS:
        marginal = default().factor_posterior(x_t, 0.2)[item.name]
        torch.testing.assert_close(marginal.sum(1), torch.ones(8, dtype=torch.float64))
        for level in range(len(item.levels)):
            torch.testing.assert_close(marginal[:, level], members[:, default().levels[item.name] == level].sum(1))


def test_factors_are_independent_given_the_state() -> None:
    """The set is a full product in orthogonal directions, so one factor's posterior needs only its own directions."""
    x_t, _ = default().sample_at(0.3, 8, seed=2)
    for item in FACTORS:
        projected = (x_t @ default().codec.directions[item.name].T).double().sum(1)
        logits = (0.3 * item.norm * projected - FRAMES * (0.3 * item.norm) ** 2 / 2) / 0.7**2
        expected = torch.softmax(logits + torch.tensor(item.weights, dtype=torch.float64).log(), dim=1)
        torch.testing.assert_close(default().factor_posterior(x_t, 0.3)[item.name], expected, rtol=1e-4, atol=1e-6)


def test_factor_posterior_is_calibrated() -> None:
    """Where the posterior says p, the level is right in a share p of the draws: it is the true posterior."""
    x_t, levels = default().sample_at(0.25, 4000, seed=3)
    for name, posterior in default().factor_posterior(x_t, 0.25).items():
        confidence, guess = posterior.max(dim=1)
        right = (guess == levels[name]).double()
        sure = confidence > confidence.median()
        for part in (sure, ~sure):
            spread = 3 * (confidence[part] * (1 - confidence[part])).sum().sqrt() / part.sum()
            assert (right[part].mean() - confidence[part].mean()).abs() < spread + 1e-3


def test_sample_at_the_ends_of_time() -> None:
    x_0, _ = default().sample_at(0.0, 200, seed=4)
    assert x_0.mean().abs() < 0.02
    assert (x_0.std() - 1).abs() < 0.02
    x_1, levels = default().sample_at(1.0, 20, seed=4, prompt="loud")
    _, nearest = default().nearest(x_1)
    assert all(torch.equal(nearest[name], levels[name]) for name in levels)
    assert levels["loudness"].unique().tolist() == [2]


def mean_t_of_commitment(generator: ClosedFormGenerator, seed: int) -> dict[str, float]:
    """Per factor: mean over 16 runs of the first t after which the final level stays more than 90 % probable."""
    recorder = Recorder("x_t")
    _, levels = generator.nearest(run_flow(generator, 16, 1000 * seed, recorder))
    undecided: dict[str, float] = {}
    states = recorder.seen[:-1]
    for name in levels:
        posteriors = torch.stack([generator.factor_posterior(x_t, point.t)[name] for point, x_t in states])
        of_final = posteriors[:, torch.arange(16), levels[name]]
        decided_to_the_end = (of_final > 0.9).flip(0).cumprod(0)
        undecided[name] = 1 - float(decided_to_the_end.double().mean())
    return undecided


def test_planted_order_emerges() -> None:
    """At 0.2 <= t <= 0.5 the Bayes-optimal decode knows the larger norms better; no factor is known at t = 0."""
    for t in (0.2, 0.3, 0.4, 0.5):
        x_t, levels = default().sample_at(t, 2000, seed=5)
        known = {
            item.name: (default().factor_posterior(x_t, t)[item.name].argmax(1) == levels[item.name]).float().mean()
            for item in FACTORS
        }
        assert known["pitch"] > known["loudness"] > known["timbre"]
    noise, _ = default().sample_at(0.0, 10, seed=6)
    for item in FACTORS:
        torch.testing.assert_close(
            default().factor_posterior(noise, 0.0)[item.name], torch.tensor([item.weights] * 10, dtype=torch.float64)
        )


@pytest.mark.parametrize("norms", [(1.6, 0.8, 0.4), (0.4, 0.8, 1.6)], ids=["as built in", "reversed"])
def test_planted_order_follows_the_norms_along_trajectories(norms: tuple[float, ...]) -> None:
    factors = [dataclasses.replace(item, norm=norm) for item, norm in zip(FACTORS, norms, strict=True)]
    order = [item.name for item in sorted(factors, key=lambda item: -item.norm)]
    generator = ClosedFormGenerator(factors)
    commitments = [mean_t_of_commitment(generator, seed) for seed in range(20)]
    in_order = [t[order[0]] < t[order[1]] < t[order[2]] for t in commitments]
    assert sum(in_order) >= 19


def test_longer_clips_commit_earlier() -> None:
    for item in FACTORS:
        confidence = []
        for frames in (8, 33, 129):
            x_t, levels = default().sample_at(0.2, 500, seed=7, frames=frames)
            posterior = default().factor_posterior(x_t, 0.2)[item.name]
            confidence.append(posterior.gather(1, levels[item.name][:, None]).mean())
        assert confidence == sorted(confidence)


def test_built_in_set_is_the_same_everywhere() -> None:
    """Traces, probes and SAEs refuse another digest: change the built-in set on purpose only."""
    assert default().weights_sha256 == "6d4987ab95cba75caf4beaaa22ddc197712d19a7f7ec9c4b61993676ada92b29"
    assert default().codec.weights_sha256 == "deb44f1db15163b1c49bdb2a256cfb8808710c13087d1ad6961a0f9074b83b90"


def test_saved_folder_keeps_other_factors(tmp_path: Path) -> None:
    other = ClosedFormGenerator([dataclasses.replace(item, norm=1.0) for item in FACTORS])
    other.save_pretrained(tmp_path)
    loaded = ClosedFormGenerator.from_pretrained(tmp_path)
    assert loaded.codec.factors == other.codec.factors
    assert loaded.id == str(tmp_path)
    assert loaded.weights_sha256 == other.weights_sha256 != default().weights_sha256


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("generator.json", Path.unlink, "missing"),
        ("generator.json", lambda p: p.write_text("{"), "not a JSON object"),
        ("generator.json", lambda p: p.write_bytes(b"\xff\xfe"), "not a JSON object"),
        ("generator.json", lambda p: p.write_text("[]"), "not a JSON object"),
        ("generator.json", lambda p: p.write_text('{"generator": "mini", "config": {}}'), "generator 'mini'"),
        ("generator.json", lambda p: p.write_text('{"generator": "closed-form", "config": {}}'), "unusable factors"),
        ("denoiser.safetensors", Path.unlink, "missing"),
        ("denoiser.safetensors", _cut, "not a readable safetensors file"),
        ("denoiser.safetensors", lambda p: p.write_text("hello"), "not a readable safetensors file"),
    ],
)
def test_damaged_folder_names_the_file(tmp_path: Path, file: str, damage: object, message: str) -> None:
    default().save_pretrained(tmp_path)
    damage(tmp_path / file)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=message) as error:
        ClosedFormGenerator.from_pretrained(tmp_path)
    assert str(tmp_path / file) in str(error.value)


def test_folder_of_other_sizes_is_refused(tmp_path: Path) -> None:
    default().save_pretrained(tmp_path)
    document = json.loads((tmp_path / "generator.json").read_text())
    for key in ("levels", "values", "weights"):
        document["config"]["factors"][0][key].pop()
    (tmp_path / "generator.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="do not fit"):
        ClosedFormGenerator.from_pretrained(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        ClosedFormGenerator.from_pretrained(tmp_path / "nothing")
