"""MuQ-MuLan in a process of its own: JSON lines in, JSON lines out.

This file imports nothing of ours, so that the interpreter that runs it needs only the ``muq`` package: see
``generators.diffrhythm.muq_process``. A question is ``{"text": "..."}`` or ``{"audio": base64 of float32 samples}``,
an answer ``{"style": [...]}`` or ``{"error": "..."}``. The first line out says that the model is loaded, or why not.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any


def load(name: str) -> Any:
    """Load the model from the hub's cache or a folder; tensors that do not fit are an error, never left random."""
    from muq import MuQMuLan

    return MuQMuLan.from_pretrained(name, strict=True).eval()


def answer(model: Any, question: dict[str, str]) -> list[float]:
    """Encode one text, or one clip at 24 kHz."""
    import torch

    with torch.no_grad():
        if "text" in question:
            style = model(texts=[question["text"]])
        else:
            samples = bytearray(base64.b64decode(question["audio"]))
            style = model(wavs=torch.frombuffer(samples, dtype=torch.float32)[None])
    numbers: list[float] = style[0].float().tolist()
    return numbers


def explain(error: BaseException) -> str:
    """Say what went wrong in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def main(name: str) -> None:
    """Answer until the input ends."""
    sys.path.pop(0)  # this folder: its modules must not stand in front of installed ones
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the packages print must not get between the answers

    def say(document: dict[str, Any]) -> None:
        print(json.dumps(document), file=out, flush=True)

    try:
        model = load(name)
    except Exception as error:
        say({"error": explain(error), "missing": getattr(error, "name", None)})
        return
    say({"ready": True})
    for line in sys.stdin:
        try:
            say({"style": answer(model, json.loads(line))})
        except Exception as error:
            say({"error": explain(error)})


if __name__ == "__main__":
    main(sys.argv[1])
