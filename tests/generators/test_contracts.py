"""What the contracts promise whoever implements them: tables, protocols, digests, noise."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generators import GENERATORS, folder
from generators.base import CheckpointError, GenerationRequest, Generator, StepHook
from generators.closed_form import ClosedFormGenerator
from generators.codecs import CODECS
from generators.codecs.base import Codec
from generators.hashing import tensors_sha256
from generators.noise import starting_noise
from generators.testing import Edit, Recorder


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_in_the_table_are_complete(name: str) -> None:
    kind = pkgutil.resolve_name(GENERATORS[name])
    assert issubclass(kind, Generator)
    assert not inspect.isabstract(kind)


@pytest.mark.parametrize("name", CODECS)
def test_codecs_in_the_table_are_complete(name: str) -> None:
    kind = pkgutil.resolve_name(CODECS[name])
    assert issubclass(kind, Codec)
    assert not inspect.isabstract(kind)
    assert kind.id == name


def test_tables_are_light_to_import() -> None:
    check = "import sys, generators, generators.codecs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
    proof = check.replace("generators.codecs", "generators.codecs.base")
    assert subprocess.run([sys.executable, "-c", proof], check=False).returncode == 1, "the check can fail"


def test_hooks_need_two_methods() -> None:
    assert isinstance(Recorder(), StepHook)
    assert isinstance(Edit(torch.clone), StepHook)
    assert not isinstance(object(), StepHook)


def test_hook_points_are_the_samplers_and_every_module() -> None:
    points = ClosedFormGenerator.from_pretrained().hook_points()
    assert points == ("x_t", "velocity", "x1_hat", "distances", "posterior", "mean")


def test_generate_is_a_batch_of_one() -> None:
    generator, request = ClosedFormGenerator.from_pretrained(), GenerationRequest("loud", duration_s=0.2)
    single, batch = generator.generate(request), generator.generate_batch([request])
    assert len(batch) == 1
    assert torch.equal(single.latents, batch[0].latents)


def test_frame_rate_follows_the_hop() -> None:
    assert ClosedFormGenerator.from_pretrained().codec.frame_rate_hz == pytest.approx(21.533, abs=1e-3)


def test_digest_ignores_order_and_memory_layout() -> None:
    one, other = torch.arange(6.0).reshape(2, 3), torch.ones(2, dtype=torch.bfloat16)
    digest = tensors_sha256({"a": one, "b": other})
    assert tensors_sha256({"b": other, "a": one.T.contiguous().T}) == digest


@pytest.mark.parametrize(
    "changed",
    [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.tensor([0.0, 0.0, 0.0, 1e-30])},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.zeros(4), "b": torch.zeros(0)},
    ],
    ids=["name", "shape", "value", "type", "another"],
)
def test_digest_sees_every_change(changed: dict[str, torch.Tensor]) -> None:
    assert tensors_sha256(changed) != tensors_sha256({"a": torch.zeros(4)})


def test_noise_of_a_seed_is_the_same_in_any_batch() -> None:
    batch = starting_noise([5, 2**63 - 1], 3, 4)
    assert batch.shape == (2, 3, 4)
    assert torch.equal(batch[1:], starting_noise([2**63 - 1], 3, 4))
    assert not torch.equal(batch[0], batch[1])


def test_folder_round_trip(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    folder.write_config(directory, "closed-form", {"word": "\N{MUSIC FLAT SIGN}"})
    save_file({"w": torch.ones(2)}, directory / "w.safetensors")
    assert folder.read_config(directory) == ("closed-form", {"word": "\N{MUSIC FLAT SIGN}"})
    assert torch.equal(folder.read_tensors(directory / "w.safetensors")["w"], torch.ones(2))
    with pytest.raises(CheckpointError, match="holds generator 'closed-form', not 'mini'"):
        folder.read_own_config(directory, "mini")
