"""Files that options of middlewares name, at any depth: found by the types in their classes, and judged by the classes."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from attrs import Factory, field, frozen

from pointsman.control import contents as module
from pointsman.control.contents import Contents
from pointsman.control.merge import Tree, empty_tree
from pointsman.dialect.client_tls import ClientTLS
from pointsman.values import FileOrContent, TextFile

AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()
CALLS: list[str] = []


def issued(name: str = "gateway.test") -> tuple[str, str]:
    leaf = AUTHORITY.issue_cert(name)
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


def noted(_: Any, attribute: Any, file: TextFile) -> None:
    CALLS.append(file.text or "")
    if file.text == "poison":
        raise ValueError("poison")


@frozen
class Sheet:
    file: TextFile | None = field(default=None, validator=lambda *given: given[2] is None or noted(*given))


@frozen
class Again:
    """Holds more of itself."""

    token: FileOrContent = FileOrContent("")
    more: "Again | None" = None


@frozen
class DoorConfig:
    tls: ClientTLS | None = None
    sheets: dict[str, Sheet] = Factory(dict)
    listed: tuple[Sheet, ...] = ()
    again: Again | None = None
    plain: dict[str, str] = Factory(dict)


class Door:
    name = "door"
    Config = DoorConfig


KINDS: Any = {"door": Door}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents = Contents(KINDS)
        self.trees: dict[str, Tree] = {}

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.path / name).write_text(text)
            os.utime(self.path / name, (time.time() - 10,) * 2)

    def named(self, *names: str) -> dict[str, str]:
        return {name: str(self.path / name) for name in names}

    def look(self, *options: Any) -> tuple[list[Any], list[str]]:
        """What becomes of middlewares with these options, and what is said about their files."""
        names = {f"m{number}@file": {"door": each} for number, each in enumerate(options)}
        tree = self.trees.setdefault(repr(options), {**empty_tree(), "http.middlewares": names})
        found = self.contents.inline(tree, look=True)
        return [each["door"] for each in found.tree["http.middlewares"].values()], [*map(str, found.problems)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    CALLS.clear()
    return Folder(tmp_path)


def test_contents_come_to_every_place_that_a_class_allows_them(folder: Folder) -> None:
    cert, key = issued()
    folder.write(ca=CA, cert=cert, key=key, a="A", b="")
    a, b = folder.named("a", "b").values()
    options = {
        "TLS": {"CA": folder.named("ca")["ca"], **folder.named("cert", "key"), "insecureSkipVerify": True},
        "sheets": {"404": {"file": a}, "x.y": {"file": b}},
        "listed": [{"file": a}, {}],
        "plain": {"ca": a},
    }
    (found,), problems = folder.look(options)

    assert problems == []
    assert found == {
        "TLS": {"CA": CA, "cert": cert, "key": key, "insecureSkipVerify": True},
        "sheets": {"404": {"file": TextFile(a, "A")}, "x.y": {"file": TextFile(b, "")}},
        "listed": [{"file": TextFile(a, "A")}, {}],
        "plain": {"ca": a},
    }


def test_what_belongs_together_takes_effect_together(folder: Folder) -> None:
    before, after, other = issued(), issued(), trustme.CA().cert_pem.bytes().decode()
    folder.write(ca=CA, cert=before[0], key=before[1])
    options = {"tls": folder.named("ca", "cert", "key")}
    good = {"tls": {"ca": CA, "cert": before[0], "key": before[1]}}
    assert folder.look(options) == ([good], [])

    folder.write(ca=other, cert=after[0])
    (found,), (problem,) = folder.look(options)
    assert found == good
    assert problem.startswith("http.middlewares.m0@file.door.tls: cert: certificate and key are no pair")
    assert problem.endswith("what was read before stays in force until this is put right")
    assert "PRIVATE" not in problem

    folder.write(key=after[1])
    assert folder.look(options) == ([{"tls": {"ca": other, "cert": after[0], "key": after[1]}}], [])


@pytest.mark.parametrize("spoil", ["empty", "garbage", "half", "gone"])
def test_authorities_that_are_none_do_not_replace_any(folder: Folder, spoil: str) -> None:
    folder.write(ca=CA)
    options = {"tls": folder.named("ca")}
    folder.look(options)
    if spoil == "gone":
        (folder.path / "ca").unlink()
    else:
        folder.write(ca={"empty": "", "garbage": "x\n", "half": CA + CA[: len(CA) // 2]}[spoil])
    (found,), (problem,) = folder.look(options)
    assert found == {"tls": {"ca": CA}}
    assert problem.startswith("http.middlewares.m0@file.door.tls: ")
    assert folder.look(options)[1] == [problem]

    folder.write(ca=CA + CA)
    assert folder.look(options) == ([{"tls": {"ca": CA + CA}}], [])


def test_a_folder_that_goes_and_comes_again_is_a_moment_without_news(folder: Folder) -> None:
    folder.path = folder.path / "mounted"
    folder.path.mkdir()
    folder.write(a="A")
    options = {"sheets": {"x": {"file": str(folder.path / "a")}}}
    folder.look(options)
    folder.path.rename(folder.path.parent / "away")
    (found,), (problem,) = folder.look(options)
    assert found["sheets"]["x"]["file"].text == "A"
    assert "cannot be read: No such file" in problem

    folder.path.mkdir()
    folder.write(a="B")
    (found,), problems = folder.look(options)
    assert (found["sheets"]["x"]["file"].text, problems) == ("B", [])


def test_a_file_that_many_name_is_read_once_and_judged_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = module.read_text
    monkeypatch.setattr(module, "read_text", lambda path: (reads.append(path), read(path))[1])
    folder.write(a="A")
    options = [{"sheets": {str(number): {"file": str(folder.path / "a")}}} for number in range(100)]
    found, _ = folder.look(*options)
    assert {each["sheets"][str(number)]["file"].text for number, each in enumerate(found)} == {"A"}
    assert (len(reads), CALLS) == (1, ["A"])

    folder.write(a="poison")
    _, problems = folder.look(*options)
    folder.look(*options)
    assert (len(reads), len(problems), CALLS.count("poison")) == (
        2,
        100,
        2,
    )  # a validator that refuses is asked by name, too


def test_who_comes_while_a_file_is_broken_gets_what_is_in_force(folder: Folder) -> None:
    folder.write(ca=CA)
    options = {"tls": folder.named("ca")}
    folder.look(options)
    folder.write(ca="")
    found, problems = folder.look(options, {**options, "plain": {"new": "one"}})

    assert [each["tls"]["ca"] for each in found] == [CA, CA]
    assert len(problems) == 2


def test_what_is_no_pem_stays_a_path_and_is_left_to_the_class(folder: Folder) -> None:
    folder.write(token="s3cret", inner=CA)
    token, inner = folder.named("token", "inner").values()
    options = {"again": {"token": token, "more": {"token": inner}}}

    assert folder.look(options) == ([options], [])  # and a class inside itself is looked at once
