from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.interventions.call import Call
from harness.interventions.scale import Scale
from harness.interventions.script import read_script

HEAD = "from harness.interventions.scale import Scale\n"


def write(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


def test_function_gets_generator_sae_and_probes(generator, artifacts, tmp_path):
    path = write(
        tmp_path,
        HEAD + "from harness.interventions.call import Call\n"
        "def nothing(value, point):\n    return None\n"
        "def interventions(generator, sae, probes):\n"
        "    assert 'pitch' in probes and generator.id == 'closed-form'\n"
        "    return [Scale(sae.config.d_sae - 1, 2.0), Call(nothing)]\n",
    )
    first, second = read_script(path, generator, artifacts)
    assert first == Scale(31, 2.0)
    assert isinstance(second, Call)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("x = 1\n", "defines no function interventions"),
        ("x = 1\ny = 1 / 0\n", r"mine\.py, line 2: ZeroDivisionError: division by zero"),
        ("def interventions(:\n", r"mine\.py, line 1: SyntaxError: "),
        ("raise SystemExit(3)\n", r"mine\.py, line 1: SystemExit"),
        ("def interventions(g, s, p):\n    raise KeyError('no')\n", r"mine\.py, line 2: KeyError: 'no'"),
        ("def interventions():\n    return []\n", "TypeError"),
        ("def interventions(g, s, p):\n    pass\n", "returned NoneType; return a list"),
        ("def interventions(g, s, p):\n    return [1]\n", "returned a list with int in it"),
        (HEAD + "def interventions(g, s, p):\n    return [Scale(1, float('nan'))]\n", "factor is nan"),
        ("import time\ntime.sleep(5)\n", r"takes more than 0\.2 s to import"),
    ],
)
def test_scripts_that_cannot_be_used(generator, artifacts, tmp_path, text, phrase):
    with pytest.raises(InputError, match=phrase):
        read_script(write(tmp_path, text), generator, artifacts, limit_s=0.2 if "sleep" in text else 30.0)


def test_script_that_is_not_there(generator, artifacts, tmp_path):
    with pytest.raises(InputError, match="there is no script"):
        read_script(tmp_path / "mine.py", generator, artifacts)
