"""Text files that the options of middlewares name: read here, followed, and judged by the class that wants them."""

import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from pointsman.config.convert import structure
from pointsman.config.plain import unstructure
from pointsman.control.contents import Contents
from pointsman.control.merge import Tree, empty_tree
from pointsman.values import TextFile


def no_poison(_: Any, attribute: Any, file: TextFile | None) -> None:
    if file is not None and file.text is not None and "poison" in file.text:
        raise ValueError("line 1: poison")


@frozen
class ListConfig:
    guests: TextFile | None = field(default=None, validator=no_poison)
    amount: int = 1


class GuestList:
    name = "guestList"
    Config = ListConfig


KINDS: Any = {"guestList": GuestList}


class Stage:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "guests"
        options = {"Guests": str(self.file), "amount": 2}
        self.tree: Tree = {
            **empty_tree(),
            "http.middlewares": {
                "a@file": {"GUESTLIST": options},
                "b@file": {"plugin": {"guestList": options}},
                "c@file": {"other": {"guests": "x"}},
            },
        }
        self.contents = Contents(KINDS)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        os.utime(self.file, (time.time() - 10,) * 2)

    def look(self) -> tuple[Any, list[str]]:
        found = self.contents.inline(self.tree, look=True)
        middlewares = found.tree["http.middlewares"]
        assert middlewares["c@file"] is self.tree["http.middlewares"]["c@file"]
        first = middlewares["a@file"]["GUESTLIST"]
        assert middlewares["b@file"]["plugin"]["guestList"] == first
        assert first["amount"] == 2
        return first["Guests"], [str(problem) for problem in found.problems]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_plugin_gets_the_text_and_a_change_of_it(stage: Stage) -> None:
    stage.write("ann\n")
    assert stage.look() == (TextFile(str(stage.file), "ann\n"), [])
    stage.write("bob\n")
    guests, _ = stage.look()

    config, problems = structure(ListConfig, {"guests": pickle.loads(pickle.dumps(guests))})
    assert problems == []
    assert config is not None
    assert config.guests is not None
    assert config.guests.read() == "bob\n"


def test_what_stays_the_same_stays_the_same_object(stage: Stage) -> None:
    stage.write("ann\n")
    first, second = (stage.contents.inline(stage.tree, look=True).tree["http.middlewares"]["a@file"] for _ in range(2))

    assert first is second


@pytest.mark.parametrize("spoil", ["gone", "poison"])
def test_what_was_good_stays_until_something_good_replaces_it(
    stage: Stage, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write("ann\n")
    stage.look()
    if spoil == "gone":
        stage.file.unlink()
    else:
        stage.write("poison, and more of it\n")
    stage.look()
    now = time.monotonic()
    monkeypatch.setattr("pointsman.control.contents.time.monotonic", lambda: now + 5)
    guests, problems = stage.look()

    assert guests == TextFile(str(stage.file), "ann\n")
    assert any("what was read before stays in force" in problem for problem in problems)
    stage.write("bob, at last\n")
    assert stage.look() == (TextFile(str(stage.file), "bob, at last\n"), [])


def test_one_that_was_never_good_is_left_to_whoever_builds_the_middleware(stage: Stage) -> None:
    assert stage.look() == (str(stage.file), [])
    stage.write("poison\n")
    guests, _ = stage.look()

    _, problems = structure(ListConfig, {"guests": guests}, "here")
    assert [str(problem) for problem in problems] == ["here.guests: line 1: poison"]


def test_middlewares_without_such_options_need_no_look() -> None:
    tree: Tree = {**empty_tree(), "http.middlewares": {"c@file": {"other": {}}}}

    assert not Contents(KINDS).names_files(tree)
    assert not Contents().names_files(tree)
    assert Contents(KINDS).names_files({**tree, "http.middlewares": {"a@file": {"guestlist": {}}}})


def test_only_the_path_is_ever_shown() -> None:
    file = TextFile("/a", "secret")

    assert "secret" not in repr(file) + repr(ListConfig(file))
    assert unstructure(ListConfig(file)) == {"guests": "/a", "amount": 1}


@pytest.mark.parametrize(
    ("path", "reason"), [("/nowhere/x", "/nowhere/x cannot be read: No such file"), ("/", "cannot be read"), ("a\0", "path")]
)
def test_a_file_that_cannot_be_read_says_why(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TextFile(path).read()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    with pytest.raises(ValueError, match="larger than 4 MiB"):
        TextFile(str(tmp_path / "big")).read()
