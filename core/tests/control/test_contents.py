"""Contents in place of the files that a configuration names; what was good stays until something good replaces it."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from pointsman.control.contents import Contents, Inlined
from pointsman.control.followed import FollowedFiles
from pointsman.control.merge import Tree, empty_tree
from pointsman.testing import eventually

AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()


def issued(name: str) -> tuple[str, str]:
    leaf = AUTHORITY.issue_cert(name)
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


def tree(section: str, **elements: Any) -> Tree:
    return {**empty_tree(), section: elements}


class Files:
    """A certificate and a key on disk, and what they become."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "a.crt", folder / "a.key"
        self.tree = tree("tls.certificates", c={"certFile": str(self.certificate), "KEYFILE": str(self.key)})
        self.contents = Contents()

    def write(self, certificate: str = "", key: str = "", *, old: float = 10.0) -> None:
        """Written `old` seconds ago."""
        for path, text in ((self.certificate, certificate), (self.key, key)):
            if text:
                path.write_text(text)
                os.utime(path, (time.time() - old,) * 2)

    def look(self) -> tuple[str, str, Inlined]:
        found = self.contents.inline(self.tree, look=True)
        element = found.tree["tls.certificates"]["c"]
        return element["certFile"], element["KEYFILE"], found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def waited(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr("pointsman.control.contents.time.monotonic", lambda: now + seconds)


def test_paths_give_place_to_contents_wherever_a_model_allows_them(tmp_path: Path) -> None:
    certificate, key = issued("a.test")
    for name, text in (("ca", CA), ("crt", certificate), ("key", key)):
        (tmp_path / name).write_text(text)
    ca, pair = f"{tmp_path}/ca", {"certFile": f"{tmp_path}/crt", "keyFile": f"{tmp_path}/key"}
    inline = {"certFile": certificate, "keyFile": key}
    cases: list[tuple[str, Any, Any]] = [
        ("tls.certificates", {**pair, "stores": ["x"]}, {**inline, "stores": ["x"]}),
        ("tls.options", {"clientAuth": {"CAFiles": [ca, CA]}}, {"clientAuth": {"CAFiles": [CA, CA]}}),
        ("tls.options", {"clientAuth": {"caFiles": f"{ca}, {ca}"}}, {"clientAuth": {"caFiles": [CA, CA]}}),
        ("tls.stores", {"defaultCertificate": pair}, {"defaultCertificate": inline}),
        ("http.serversTransports", {"rootCAs": [ca], "certificates": [pair]}, {"rootCAs": [CA], "certificates": [inline]}),
        ("tcp.serversTransports", {"tls": {"rootCAs": [ca]}}, {"tls": {"rootCAs": [CA]}}),
        ("http.services", {"loadBalancer": {"servers": [{"url": ca}]}}, {"loadBalancer": {"servers": [{"url": ca}]}}),
    ]
    for section, raw, expected in cases:
        assert Contents().inline(tree(section, x=raw)).tree[section]["x"] == expected


def test_what_names_no_file_stays_the_identical_object() -> None:
    certificate, key = issued("a.test")
    raw = tree("tls.certificates", c={"certFile": certificate, "keyFile": key})
    found = Contents().inline(raw)
    assert found.tree["tls.certificates"]["c"] is raw["tls.certificates"]["c"]
    assert not found.watch
    odd = tree("tls.certificates", c=True, e={"certFile": None, "keyFile": "x"}, f={"stores": "y"})
    assert Contents().inline(odd).tree == odd


def test_an_element_whose_files_did_not_change_stays_the_identical_object(files: Files) -> None:
    files.write(*issued("a.test"))
    _, _, first = files.look()
    _, _, second = files.look()
    assert second.tree["tls.certificates"]["c"] is first.tree["tls.certificates"]["c"]


def test_what_cannot_be_read_stays_a_path_for_whoever_builds_it(files: Files) -> None:
    certificate, key, found = files.look()
    assert (certificate, key) == (str(files.certificate), str(files.key))
    assert found.problems == []
    good = issued("a.test")
    files.write(*good)
    assert files.look()[:2] == good  # and it is seen when it comes


def test_a_pair_is_replaced_only_when_both_fit(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = issued("a.test"), issued("a.test")
    files.write(*before)
    assert files.look()[:2] == before

    files.write(certificate=after[0])
    certificate, key, found = files.look()
    assert (certificate, key) == before
    assert found.problems == []  # the key is on its way
    assert found.again_seconds > 0

    waited(monkeypatch, 2)
    certificate, key, found = files.look()
    assert (certificate, key) == before
    assert [str(problem) for problem in found.problems] == [
        "tls.certificates.c: the key is not that of the certificate (for a.test); a pair belongs together; "
        "what was read before stays in force until this is put right"
    ]

    files.write(key=after[1])
    certificate, key, found = files.look()
    assert (certificate, key) == after
    assert found.problems == []


@pytest.mark.parametrize("garbage", ["garbage", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_garbage_and_removal_leave_the_pair_before_in_force(
    files: Files, garbage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = issued("a.test")
    files.write(*before)
    files.look()
    if garbage:
        files.write(certificate=garbage)
    else:
        files.certificate.unlink()
    assert files.look()[:2] == before
    waited(monkeypatch, 2)
    *pair, found = files.look()
    assert tuple(pair) == before
    (problem,) = found.problems
    assert "stays in force" in problem.message
    assert "AAAA" not in problem.message


def test_the_same_files_in_another_place_are_still_good(files: Files) -> None:
    before = issued("a.test")
    files.write(*before)
    files.look()
    files.write(certificate="garbage")
    raw = files.tree["tls.certificates"]["c"]
    moved = files.contents.inline(tree("tls.certificates", other=dict(raw)), look=True)
    assert moved.tree["tls.certificates"]["other"]["certFile"] == before[0]


def test_a_file_that_may_still_be_being_written_is_looked_at_again(files: Files) -> None:
    before, after = issued("a.test"), issued("a.test")
    files.write(*before)
    files.look()
    files.write(*after, old=0.0)
    certificate, key, found = files.look()
    assert (certificate, key) == before
    assert 0 < found.again_seconds < 0.1


def test_authorities_replaced_by_garbage_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(CA)
    contents, raw = Contents(), tree("tls.options", o={"clientAuth": {"caFiles": [str(path)]}})
    assert contents.inline(raw).tree["tls.options"]["o"] == {"clientAuth": {"caFiles": [CA]}}
    path.write_text("garbage")
    os.utime(path, (time.time() - 9,) * 2)
    assert contents.inline(raw, look=True).tree["tls.options"]["o"] == {"clientAuth": {"caFiles": [CA]}}
    waited(monkeypatch, 2)
    (problem,) = contents.inline(raw, look=True).problems
    assert problem.path == "tls.options.o.clientAuth.caFiles[0]"


def test_a_pipe_does_not_hold_anybody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    raw = tree("tls.certificates", c={"certFile": f"{tmp_path}/pipe", "keyFile": f"{tmp_path}/pipe"})
    assert Contents().inline(raw).tree == raw


async def test_followed_files_say_when_they_change_behind_links_too(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets: a link to a directory that is exchanged."""
    before, after = issued("a.test"), issued("a.test")
    for name, (certificate, key) in (("one", before), ("two", after)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_text(certificate)
        (tmp_path / name / "tls.key").write_text(key)
    (tmp_path / "..data").symlink_to("one")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    raw = tree("tls.certificates", c={"certFile": f"{tmp_path}/tls.crt", "keyFile": f"{tmp_path}/tls.key"})
    told = asyncio.Event()
    followed = FollowedFiles(told.set)
    try:
        inlined, _ = await followed.inline(raw)
        assert inlined["tls.certificates"]["c"]["certFile"] == before[0]
        (tmp_path / "..new").symlink_to("two")
        (tmp_path / "..new").replace(tmp_path / "..data")

        async def has_changed() -> bool:
            await told.wait()
            told.clear()
            inlined, _ = await followed.inline(raw)
            found = inlined["tls.certificates"]["c"]
            return (found["certFile"], found["keyFile"]) == after

        await eventually(has_changed)
        nothing, problems = await followed.inline(empty_tree())
        assert (nothing, list(problems)) == (empty_tree(), [])
        assert repr(followed) == "<FollowedFiles in 0 directories>"
    finally:
        followed.close()
