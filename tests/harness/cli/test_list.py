from __future__ import annotations

import json

from generators import GENERATORS
from generators.codecs import CODECS


def test_every_name_is_listed(invoke):
    document = json.loads(invoke("list", "--json").stdout)
    assert set(document["generators"]) >= set(GENERATORS)
    assert set(document["codecs"]) >= set(CODECS)
    assert document["generators"]["closed-form"] == {
        "class": "generators.closed_form:ClosedFormGenerator",
        "built_in": True,
    }


def test_words_for_people(invoke):
    words = invoke("list").stdout.split()
    assert {"generators", "codecs", *GENERATORS, *CODECS} <= set(words)
