"""A hub on this machine: a folder of repositories behind the few addresses the client asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server gives out, and what it was asked for."""

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """``repository/file`` -> content."""
    cut_after: int | None = None
    """Close the connection after this many bytes of a body."""
    status: int = 200
    """Anything else is the answer to every question."""
    damaged: bool = False
    """Send other bytes than announced."""
    ranges: list[str | None] = field(default_factory=list)
    """Range of every download."""


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folder in place of this machine's cache."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def hub(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve ``Hub.files`` on this machine; the client is online and caches into ``hub_cache``."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 256)
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0].removeprefix("/").replace(f"/resolve/{COMMIT}/", "/")
            if hub.status != 200:
                self.plain(hub.status, b"")
            elif path.startswith("api/models/"):
                name = path.removeprefix("api/models/").partition("/tree/")[0]
                inside = [file.removeprefix(f"{name}/") for file in hub.files if file.startswith(f"{name}/")]
                tree = [{"type": "file", "path": file, "size": 1, "oid": "0"} for file in inside]
                self.plain(200, json.dumps(tree).encode())
            else:
                self.file(path.replace("/resolve/main/", "/"), body)

        def plain(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def file(self, path: str, body: bool) -> None:
            if path not in hub.files:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = hub.files[path]
            etag = hashlib.sha256(content).hexdigest()
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if body:
                hub.ranges.append(asked)
                sent = bytes(len(content) - start) if hub.damaged else content[start:]
                self.wfile.write(sent[: hub.cut_after])
                self.close_connection = hub.cut_after is not None

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
