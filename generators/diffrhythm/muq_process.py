"""Styles from MuQ-MuLan (arXiv 2501.01108), which runs in a process of its own.

Its package needs torchaudio and torchvision that fit their torch to the last digit, which is often another torch than
ours; the interpreter of another environment can therefore be named. When the process ends, its memory is free.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from generators.base import RequestError

HUB_ID = "OpenMuQ/MuQ-MuLan-large"
WORKER = Path(__file__).with_name("muq_worker.py")
END_S = 10
"""How long the process may take to end by itself."""


class MuqStyle:
    """A ``StyleEncoder`` that starts the process at its first question and remembers every answer.

    Nothing is downloaded: the model is taken from the hub's cache, where ``harness models fetch`` puts it. It runs in
    float32 on the CPU.

    Parameters
    ----------
    model
        Hub id, or a folder with the same files.
    python
        Interpreter that has the ``muq`` package; None = this one.
    """

    def __init__(self, model: str | Path = HUB_ID, *, python: str | Path | None = None) -> None:
        self.model = str(model)
        self.python = str(python or sys.executable)
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self._known: dict[Any, Tensor] = {}

    def text(self, prompt: str) -> Tensor:
        """Style ``[512]`` of a description, of length 1. Raises ``RequestError``."""
        if not prompt.strip():
            raise RequestError("the prompt is empty; describe a style, or give a style embedding or reference audio")
        return self._ask(prompt, {"text": prompt})

    def audio(self, clip: np.ndarray) -> Tensor:
        """Style ``[512]`` of ten seconds at 24 kHz. Raises ``RequestError``."""
        samples = np.ascontiguousarray(clip, dtype=np.float32).tobytes()
        return self._ask(samples, {"audio": base64.b64encode(samples).decode()})

    def close(self) -> None:
        """End the process, and so free its memory; answers stay known."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if self._log is not None:
            self._log.close()

    def _ask(self, key: Any, question: dict[str, str]) -> Tensor:
        if key not in self._known:
            process = self._process or self._start()
            if process.stdin is None:
                raise RequestError("the style encoder takes no questions")
            try:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended; reading its answer says so
            style = torch.tensor(self._answer(process)["style"])
            if not style.isfinite().all():
                raise RequestError("MuQ-MuLan made a style that is not finite; give another prompt or reference")
            self._known[key] = style
        return self._known[key]

    def _start(self) -> subprocess.Popen[str]:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        try:
            self._process = subprocess.Popen(
                [self.python, str(WORKER), self.model],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
            )
        except OSError as error:
            self._log.close()
            raise RequestError(
                f"{self.python} cannot be started ({error.strerror}); style_python is to be a Python interpreter"
            ) from None
        self._answer(self._process)
        return self._process

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Read one line. Raises ``RequestError`` for an error in it, and when the process is gone."""
        line = process.stdout.readline() if process.stdout is not None else ""
        try:
            document: dict[str, Any] = json.loads(line)
        except ValueError:
            document = {"error": f"the process ended: {self._last_words()}"}
        if "error" not in document:
            return document
        self.close()
        raise RequestError(self._advice(document))

    def _last_words(self) -> str:
        if self._log is None:
            return "no reason given"
        self._log.seek(0)
        lines = self._log.read().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")

    def _advice(self, document: dict[str, Any]) -> str:
        embedding = "or give a ready-made style with --style-embedding FILE"
        if document.get("missing") == "muq":
            return (
                "a style from text or audio needs MuQ-MuLan, and the package 'muq' is not installed for "
                f"{self.python}; make an environment for it (see docs/diffrhythm.md) and name its interpreter with "
                f"--load style_python=PATH, {embedding}"
            )
        return (
            f"MuQ-MuLan ({self.model}, run by {self.python}) did not work: {document['error']}; its files are fetched "
            f"with 'harness models fetch {HUB_ID}', its package is explained in docs/diffrhythm.md, {embedding}"
        )
