"""Every YAML example that a user may read is a configuration without problems, by the words of `pointsman check`."""

import pytest
import trustme

from pointsman.cli import main

from .documents import DOCUMENTS, DYNAMIC, STATIC, section, sections

EXAMPLES = [found for document in DOCUMENTS for found in sections(document) if found.files]
EXPECTED = ("is deprecated", "what it says is not looked at")
"""Warnings that examples may give: what is shown is old, or is elsewhere."""
PAIRS = {"shop": ("shop.localhost", "*.shop.localhost"), "gateway": ("gateway.internal",)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the certificates that the examples name."""
    authority = trustme.CA()
    for name, hosts in PAIRS.items():
        leaf = authority.issue_cert(*hosts)
        (tmp_path / f"{name}.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
        (tmp_path / f"{name}.key").write_bytes(leaf.private_key_pem.bytes())
    for name in ("staff-ca.crt", "inside-ca.crt"):
        (tmp_path / name).write_bytes(authority.cert_pem.bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_its_entry_points(example):
    """Its files; routes alone are for the entry points of the first example of docs/tls.md."""
    if STATIC in example.files:
        return example.files
    return {**section("docs/tls.md", "Your own certificate").files, **example.files}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_has_no_problems(example, folder, capsys):
    files = with_its_entry_points(example)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert set(files) <= {STATIC, DYNAMIC}, "the first line of a block says which of the two it is"
    status = main(["check"])
    said = [line for line in capsys.readouterr().err.splitlines() if not any(words in line for words in EXPECTED)]
    assert status == 0, said
    assert len(said) == 1, said


def test_the_examples_are_found():
    assert {"README.md: HTTPS, and more", "docs/tls.md: Options", "docs/protocols.md: UDP"} <= set(map(str, EXAMPLES))
