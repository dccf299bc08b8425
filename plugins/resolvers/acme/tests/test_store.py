"""`acme.json`: taken over as it is, never lost, never shown to others (operations.md §7.2)."""

import json
import os

import pytest

from pointsman import KeyPair
from pointsman_acme.store import Account, Store, Stored, StoreError, store_at

ACCOUNT = Account("a@b.test", "https://ca.test/acct/1", {"status": "valid", "contact": ["mailto:a@b.test"]}, b"\x30key")
MINE = Stored(("d.test", "e.test"), KeyPair("CERTIFICATE", "KEY"))


@pytest.fixture
def opened():
    stores = []

    def open_one(path):
        store = store_at(str(path))
        stores.append(store)
        store.load()
        return store

    yield open_one
    for store in stores:
        store.close()


def test_a_file_that_is_missing_is_made_for_its_owner_alone(tmp_path, opened):
    opened(tmp_path / "acme.json")
    assert (tmp_path / "acme.json").stat().st_mode & 0o777 == 0o600


def test_what_is_kept_is_there_again_in_the_known_layout(tmp_path, opened):
    path = tmp_path / "acme.json"
    store = opened(path)
    store.keep("le", ACCOUNT, [MINE])
    store.close()
    again = opened(path)
    assert (again.account("le"), again.certificates("le")) == (ACCOUNT, [MINE])
    document = json.loads(path.read_text())
    assert path.read_text().startswith('{\n  "le": {\n    "Account": {\n')
    assert document["le"]["Account"]["Registration"]["uri"] == "https://ca.test/acct/1"
    assert document["le"]["Certificates"][0]["domain"] == {"main": "d.test", "sans": ["e.test"]}
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == [".acme.json.lock", "acme.json"]


def test_resolvers_share_a_file(tmp_path, opened):
    one, other = opened(tmp_path / "acme.json"), opened(tmp_path / "x" / ".." / "acme.json")
    assert one is other
    one.keep("le", ACCOUNT, [])
    other.keep("zz", None, [MINE])
    assert sorted(json.loads((tmp_path / "acme.json").read_text())) == ["le", "zz"]
    assert one.account("le") == ACCOUNT


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("{}", 0o644, "permissions 644 are too open, please use 600"),
        ("{}", 0o620, "permissions 620 are too open"),
        ("{oops", 0o600, "is no JSON"),
        ("[]", 0o600, "is no JSON object"),
        ("[" * 100_000, 0o600, "is no JSON"),
    ],
)
def test_what_cannot_be_read_is_left_as_it_is(tmp_path, content, mode, why):
    path = tmp_path / "acme.json"
    path.write_text(content)
    path.chmod(mode)
    store = Store(path)
    with pytest.raises(StoreError, match=why):
        store.load()
    with pytest.raises(StoreError, match="has not been read"):
        store.keep("le", ACCOUNT, [])
    assert path.read_text() == content
    assert path.stat().st_mode & 0o777 == mode


def test_one_process_uses_it_at_a_time(tmp_path, opened):
    first = opened(tmp_path / "acme.json")
    second = Store(tmp_path / "acme.json")
    with pytest.raises(StoreError, match="is in use by another process"):
        second.load()
    first.close()
    second.load()
    second.close()


def test_a_link_stays_one(tmp_path, opened):
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "real.json").chmod(0o600)
    (tmp_path / "acme.json").symlink_to("real.json")
    opened(tmp_path / "acme.json").keep("le", ACCOUNT, [])
    assert (tmp_path / "acme.json").is_symlink()
    assert "le" in json.loads((tmp_path / "real.json").read_text())


@pytest.mark.parametrize(
    "odd",
    [
        {"le": None},
        {"le": {"Account": [], "Certificates": {}}},
        {"le": {"Account": {"PrivateKey": "%%", "Registration": 1}, "Certificates": [None, {"domain": 1}]}},
        {"le": {"Certificates": [{"domain": {"main": "d.test"}, "certificate": "", "key": "a2V5"}]}},
    ],
)
def test_entries_without_what_matters_are_passed_over(tmp_path, opened, odd):
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(odd))
    path.chmod(0o600)
    store = opened(path)
    assert (store.account("le"), store.certificates("le")) == (None, [])


def test_keys_are_in_no_repr():
    assert "key" not in repr(ACCOUNT).replace("key=", "")
    assert "KEY" not in repr(MINE)
