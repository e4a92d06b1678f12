"""What every test gets: no sockets, one thread, a fixed seed, and markers that say why they skip."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

# Before torch or numpy is imported: tests run beside each other on small machines, and one thread is also repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take more than about ten seconds")
    parser.addoption("--network", action="store_true", help="also run tests that need the network")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {}
    if not config.getoption("--slow"):
        reasons["slow"] = "slow: run with --slow"
    if not config.getoption("--network"):
        reasons["network"] = "needs the network: run with --network"
    if not torch.cuda.is_available():
        reasons["gpu"] = "needs a CUDA device, and torch sees none"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Start every test from the same global random state, so that an unseeded draw at least repeats."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (the legacy state is what third-party code draws from)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse internet connections, except to this machine and in tests marked ``network``."""
    if request.node.get_closest_marker("network"):
        yield
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        local = self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1"))
        if not local:
            raise RuntimeError(f"a test tried to connect to {address}; mark it with pytest.mark.network if it must")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
