"""What the original's lyrics functions gave, and whether those of ours that need packages can run here."""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import Any

import pytest

from tests.generators.diffrhythm.vectors import locate


def read_json(name: str) -> Any:
    return json.loads(locate(f"lyrics/{name}.json").read_text(encoding="utf-8"))


def _missing(*modules: str) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


needs_english = pytest.mark.skipif(
    bool(_missing("phonemizer", "inflect")) or shutil.which("espeak-ng") is None,
    reason="needs phonemizer and inflect (the extra 'lyrics') and espeak-ng",
)
needs_chinese = pytest.mark.skipif(
    bool(_missing("jieba", "pypinyin", "cn2an")), reason="needs jieba, pypinyin and cn2an (the extra 'lyrics')"
)
