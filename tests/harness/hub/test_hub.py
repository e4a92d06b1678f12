"""Fetching into the hub's cache layout, from a server on this machine, and looking into it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from harness.errors import HarnessError, InputError, StorageError
from harness.hub import cache
from harness.hub.fetch import fetch
from harness.runs import locked
from tests.harness.hub.conftest import Hub

VAE = "ASLP-lab/DiffRhythm-vae"
MUQ = "OpenMuQ/MuQ-MuLan-large"
CONTENT = bytes(range(256)) * 40


def test_a_file_gets_its_place_in_the_cache(hub: Hub, hub_cache: Path) -> None:
    hub.files[f"{VAE}/vae_model.pt"] = CONTENT
    seen = []
    assert cache.state(VAE) == "absent"
    folder = fetch(VAE, endpoint=hub.endpoint, progress=lambda *values: seen.append(values))
    assert folder.is_relative_to(hub_cache / "models--ASLP-lab--DiffRhythm-vae" / "snapshots")
    assert (folder / "vae_model.pt").read_bytes() == CONTENT
    assert (folder / "vae_model.pt").is_symlink()
    assert cache.state(VAE) == "here"
    assert cache.require(VAE) == folder
    assert seen[-1] == ("vae_model.pt", len(CONTENT), len(CONTENT))


def test_what_is_here_is_not_asked_for(hub: Hub) -> None:
    hub.files[f"{VAE}/vae_model.pt"] = CONTENT
    folder = fetch(VAE, endpoint=hub.endpoint)
    hub.status = 500
    assert fetch(VAE, endpoint=hub.endpoint) == folder
    assert fetch(VAE, offline=True) == folder


def test_an_interrupted_download_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    hub.files[f"{VAE}/vae_model.pt"] = CONTENT
    hub.cut_after = 1000
    with pytest.raises(HarnessError, match="goes on where it stopped"):
        fetch_once(hub)
    begun = cache.partial_bytes(VAE)
    assert begun > 0
    assert cache.state(VAE) == "partial"
    with pytest.raises(HarnessError, match=r"0\.\d+ MB of an interrupted download are there"):
        cache.require(VAE)
    hub.cut_after, hub.status = None, 200
    hub.ranges.clear()
    folder = fetch(VAE, endpoint=hub.endpoint)
    assert hub.ranges == [f"bytes={begun}-"]
    assert (folder / "vae_model.pt").read_bytes() == CONTENT
    assert cache.partial_bytes(VAE) == 0


def fetch_once(hub: Hub) -> Path:
    """Fetch from a server that goes away for good after its first cut."""

    def gone(file: str, done: int, total: int) -> None:
        hub.status = 503

    return fetch(VAE, endpoint=hub.endpoint, progress=gone)


def test_patterns_are_matched_against_what_the_hub_has(hub: Hub) -> None:
    for name in ("config.json", "model.safetensors", "README.md"):
        hub.files[f"{MUQ}/{name}"] = name.encode()
    folder = fetch(MUQ, endpoint=hub.endpoint)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_damaged_file_is_not_kept(hub: Hub) -> None:
    hub.files[f"{VAE}/vae_model.pt"] = CONTENT
    hub.damaged = True
    with pytest.raises(HarnessError, match="arrived damaged"):
        fetch(VAE, endpoint=hub.endpoint)
    assert cache.state(VAE) == "absent"


@pytest.mark.parametrize(
    ("status", "phrase"), [(200, "does not have what"), (503, "cannot be reached"), (401, "cannot be reached|does not")]
)
def test_a_hub_that_refuses(hub: Hub, status: int, phrase: str) -> None:
    hub.status = status
    with pytest.raises(HarnessError, match=phrase) as error:
        fetch(VAE, endpoint=hub.endpoint)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [VAE, MUQ])
def test_no_connection(hub: Hub, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Said at once: the client's own tries take it half a minute."""
    started = time.monotonic()
    with pytest.raises(HarnessError, match="cannot be reached to fetch"):
        fetch(name, endpoint="http://127.0.0.1:9")
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HarnessError, match="--offline forbids"):
        fetch(VAE, offline=True, endpoint=hub.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HarnessError, match="HF_HUB_OFFLINE forbids"):
        fetch(VAE, endpoint=hub.endpoint)
    assert hub.ranges == []


def test_two_processes_do_not_mix_their_parts(hub: Hub, hub_cache: Path) -> None:
    hub.files[f"{VAE}/vae_model.pt"] = CONTENT
    blobs = cache.repository(VAE) / "blobs"
    blobs.mkdir(parents=True)
    with locked(blobs), pytest.raises(StorageError, match="another process"):
        fetch(VAE, endpoint=hub.endpoint)


def test_names() -> None:
    assert cache.find("DiffRhythm-vae") == cache.find(VAE) == VAE
    assert cache.find("diffrhythm") == "ASLP-lab/DiffRhythm-1_2"
    with pytest.raises(InputError, match="did you mean 'ASLP-lab/DiffRhythm-vae'"):
        cache.find("ASLP-lab/DifRhythm-vae")


def test_the_message_for_what_is_not_here(hub_cache: Path) -> None:
    with pytest.raises(HarnessError, match=r"harness models fetch ASLP-lab/DiffRhythm-vae' \(0\.62 GB, Stability AI"):
        cache.require(VAE)
