from __future__ import annotations

import pytest

from harness import registry
from harness.errors import HarnessError, InputError

BUILT_IN = {"mini": "string:Template", "absent": "string:NoSuchThing", "closed-form": "no_such_module:Thing"}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed package that offers two generators, one under a name that is taken."""
    (tmp_path / "plugin.py").write_text("class Theirs: pass\n")
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.generators]\ntheirs = plugin:Theirs\nmini = plugin:Theirs\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugin")
def test_installed_packages_add_names_and_cannot_replace_ours():
    assert registry.find("generators", BUILT_IN, "theirs").__name__ == "Theirs"
    assert registry.find("generators", BUILT_IN, "mini").__name__ == "Template"


@pytest.mark.usefixtures("plugin")
def test_groups_are_apart():
    assert "theirs" not in registry.table("codecs", BUILT_IN)


def test_unknown_name_lists_what_there_is():
    with pytest.raises(
        InputError, match=r"unknown generator 'minni'; did you mean 'mini'\? Known: absent, closed-form"
    ):
        registry.find("generators", BUILT_IN, "minni")
    with pytest.raises(InputError, match=r"unknown generator 'zzz'\. Known"):
        registry.find("generators", BUILT_IN, "zzz")


@pytest.mark.parametrize("name", ["absent", "closed-form"])
def test_registered_but_broken(name):
    with pytest.raises(HarnessError, match="cannot be loaded"):
        registry.find("generators", BUILT_IN, name)
