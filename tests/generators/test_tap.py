"""Hidden states: which branch they belong to, and that no torch hook outlives the ``with``."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from generators.base import HookPoint
from generators.tap import DenoiserTap, emit, wanted
from generators.testing import Edit, HookFailed, Recorder, fail, torch_hooks

TIMES = (0.0, 0.5, 1.0)
BRANCHES = ("cond", "uncond")


class Positions(nn.Module):
    """A table with no batch dimension, as rotary embeddings have."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.arange(x.shape[1], dtype=x.dtype)[:, None]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positions = Positions()
        self.first = nn.Linear(3, 5)
        self.last = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x + self.positions(x)))
        return out


@pytest.fixture
def network() -> Network:
    return Network()


def run(network: Network, *hooks: object, states: Tensor | None = None) -> Tensor:
    """One call of step 1 with both branches stacked: two clips each."""
    states = torch.arange(72.0).reshape(4, 6, 3) if states is None else states
    with torch.no_grad(), DenoiserTap(network, hooks, TIMES, BRANCHES) as tap, tap.at(1, 0.5, BRANCHES, batch=2):  # type: ignore[arg-type]
        out: Tensor = network(states)
    return out


def test_stacked_branches_are_split_in_order(network: Network) -> None:
    recorder = Recorder("first")
    run(network, recorder)
    with torch.no_grad():
        whole = network.first(torch.arange(72.0).reshape(4, 6, 3) + torch.arange(6.0)[:, None])
    assert [point for point, _ in recorder.seen] == [HookPoint("first", 1, 0.5, branch) for branch in BRANCHES]
    assert torch.equal(recorder.at("first", 1, "cond"), whole[:2])
    assert torch.equal(recorder.at("first", 1, "uncond"), whole[2:])


def test_output_without_batch_is_not_split_into_branches(network: Network) -> None:
    recorder = Recorder()
    run(network, recorder)
    assert {point.name for point, _ in recorder.seen} == {"first", "last"}


def test_replacement_in_one_branch_reaches_only_that_branch(network: Network) -> None:
    plain = run(network)
    edited = run(network, Edit(torch.zeros_like, "first", branches=["uncond"]))
    assert torch.equal(edited[:2], plain[:2])
    assert torch.equal(edited[2:], network.last.bias.detach().expand(2, 6, 3))


def test_equal_replacement_is_bit_identical(network: Network) -> None:
    assert torch.equal(run(network, Edit(Tensor.clone)), run(network))


def test_hooks_run_in_the_order_given(network: Network) -> None:
    recorder = Recorder("last")
    run(network, Edit(torch.ones_like, "last"), Edit(lambda value: value * 3, "last"), recorder)
    assert torch.equal(recorder.at("last", 1, "cond"), torch.full((2, 6, 3), 3.0))


def test_untouched_modules_get_no_hooks(network: Network) -> None:
    with DenoiserTap(network, [Recorder("first", "x_t")], TIMES, BRANCHES):
        assert torch_hooks(network.first) == 1
        assert torch_hooks(network.last) == torch_hooks(network.positions) == 0
    with DenoiserTap(network, [Recorder("x_t", "velocity")], TIMES, BRANCHES):
        assert torch_hooks(network) == 0
    with DenoiserTap(network, [Edit(fail, "first", step=2)], TIMES, BRANCHES):
        assert torch_hooks(network) == 0, "step 2 is past the last update, so nothing can be wanted there"


class Narrow(Recorder):
    """Says which modules it may want, and keeps what it was asked about."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.wanted_modules = names
        self.asked: set[str] = set()

    def wants(self, point: HookPoint) -> bool:
        self.asked.add(point.name)
        return super().wants(point)


def test_a_hook_is_asked_about_the_modules_it_names_alone(network: Network) -> None:
    narrow, broad = Narrow("first", "nowhere"), Recorder("last")
    run(network, narrow, broad)
    assert [point.name for point, _ in narrow.seen] == ["first", "first"]
    assert [point.name for point, _ in broad.seen] == ["last", "last"]
    fresh = Narrow("first", "nowhere")
    assert DenoiserTap(network, [fresh], TIMES, BRANCHES).modules == ("first",)
    assert fresh.asked == {"first"}


def test_calls_outside_a_step_are_not_shown(network: Network) -> None:
    with DenoiserTap(network, [Edit(fail)], TIMES, BRANCHES) as tap:
        network(torch.zeros(2, 4, 3))
        with pytest.raises(HookFailed), tap.at(0, 0.0, BRANCHES, batch=1):
            network(torch.zeros(2, 4, 3))
        network(torch.zeros(2, 4, 3))
    assert torch_hooks(network) == 0


def test_exception_removes_the_torch_hooks(network: Network) -> None:
    plain = run(network)
    with pytest.raises(HookFailed):
        run(network, Recorder(), Edit(fail, "last"))
    assert torch_hooks(network) == 0
    assert torch.equal(run(network), plain)


@pytest.mark.parametrize(
    "wrong", [lambda v: v[:, :1], lambda v: v.numpy(), lambda v: 0.0], ids=["shape", "numpy", "float"]
)
def test_wrong_replacement_names_hook_and_place(network: Network, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"hook Edit returned .* at first step 1; return None or a tensor of shape"):
        run(network, Edit(wrong, "first"))  # type: ignore[arg-type]
    assert torch_hooks(network) == 0


def test_emit_returns_the_same_object_when_nothing_changed() -> None:
    value, point = torch.zeros(1, 2, 3), HookPoint("x_t", 0, 0.0)
    assert emit([], point, value) is value
    assert emit([Recorder()], point, value) is value


def test_emit_keeps_the_type_of_the_value() -> None:
    value = torch.zeros(1, 2, 3, dtype=torch.bfloat16)
    replaced = emit([Edit(torch.Tensor.double)], HookPoint("x_t", 0, 0.0), value)
    assert replaced.dtype == torch.bfloat16


def test_wanted_asks_every_hook() -> None:
    point = HookPoint("x_t", 0, 0.0)
    assert wanted([Recorder("velocity"), Recorder("x_t")], point)
    assert not wanted([Recorder("velocity")], point)
