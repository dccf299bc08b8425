"""What an authority does, a disk, or a hurried user, that would harm: nothing of it does (operations.md §7.2-§7.5)."""

import asyncio
import base64
import json
import logging
import os
import re
import threading
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pointsman import CertificateRequest, KeyPair
from pointsman.dialect.resolvers import ACME, HTTPChallenge
from pointsman.testing import eventually
from pointsman_acme import resolver as module
from pointsman_acme.holdings import Holdings
from pointsman_acme.keys import account_der
from pointsman_acme.resolver import AcmeResolver
from pointsman_acme.schedule import DAY
from pointsman_acme.store import Account, Store, Stored

from .hostile_authority import HostileAuthority, certificate, names_of

pytestmark = pytest.mark.timeout(30)
SMALL = account_der(rsa.generate_private_key(65537, 2048))
OTHER = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority():
    server = HostileAuthority()
    yield server
    server.stop()


class Context:
    name = "le"
    logger = logging.getLogger("pointsman.resolvers.le")

    def answer_http(self, host, token, content):
        return lambda: None


class Running:
    """A resolver at work, and what it publishes."""

    def __init__(self, acme):
        self.resolver = AcmeResolver(acme, Context())
        self._wishes = asyncio.Queue()
        self.pairs, self.problems = [], []

    def want(self, *names):
        self._wishes.put_nowait(
            [CertificateRequest(each if isinstance(each, tuple) else (each,), "router r") for each in names]
        )

    def publish(self, pairs, problems):
        self.pairs, self.problems = list(pairs), [str(each) for each in problems]

    async def wishes(self):
        while True:
            yield await self._wishes.get()

    def says(self, words):
        return any(words in each for each in self.problems)


@pytest.fixture
def running(authority, tmp_path):
    @asynccontextmanager
    async def run(*stored, **settings):
        path = tmp_path / "acme.json"
        store = Store(path)
        store.load()
        store.keep("le", Account("", f"{authority.url}/account/1", {}, SMALL), list(stored))
        store.close()
        acme = ACME(
            ca_server=f"{authority.url}/directory",
            storage=str(path),
            key_type="EC256",
            **{"http_challenge": HTTPChallenge("web"), **settings},
        )
        it = Running(acme)
        task = asyncio.create_task(it.resolver.resolve(it.wishes(), it.publish))
        try:
            yield it
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=5)
            assert task.done()
            await it.resolver.aclose()

    return run


def kept(tmp_path):
    found = json.loads((tmp_path / "acme.json").read_text())["le"]["Certificates"] or []
    return [[each["domain"]["main"], *each["domain"].get("sans", [])] for each in found]


def pair(names, key=OTHER, days=90, private=OTHER):
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return KeyPair(certificate(names, key, days), pem)


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        pytest.param(lambda csr: certificate(["b.test"], csr.public_key()), "not for all names", id="other-name"),
        pytest.param(lambda csr: certificate(["a.test", "b.test"], csr.public_key()), "not asked for", id="more-names"),
        pytest.param(lambda csr: certificate(["a.test"]), "another key", id="other-key"),
        pytest.param(lambda csr: certificate(["a.test"], csr.public_key(), -1), "run out", id="expired"),
        pytest.param(lambda csr: "", "cannot be read", id="empty"),
        pytest.param(
            lambda csr: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "cannot be read", id="garbage"
        ),
        pytest.param(lambda csr: certificate(["a.test"], csr.public_key()) * 4000, "ACME", id="huge"),
    ],
)
async def test_a_certificate_that_was_not_ordered_never_takes_the_place_of_a_good_one(
    issue, words, authority, running, tmp_path
):
    authority.issue = issue
    good = Stored(("a.test",), pair(["a.test"], days=5))
    async with running(good) as it:
        it.want("a.test")
        await eventually(lambda: it.says(words))
        assert it.pairs == [good.pair]
    assert Store(tmp_path / "acme.json").path.exists()
    assert coded(good.pair.certificate) in (tmp_path / "acme.json").read_text()


def coded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("limit", "least", "most"),
    [
        pytest.param((429, "rateLimited", "7200"), 7200, 7200, id="seconds"),
        pytest.param((429, "rateLimited", "Fri, 31 Dec 9999 23:59:59 GMT"), DAY, DAY, id="date-far-away"),
        pytest.param((429, "rateLimited", "Mon, 24 Nov 2025 16:00:00 GMT"), 4, 6, id="date-of-the-past"),
        pytest.param((429, "rateLimited", "0"), 4, 6, id="at-once"),
        pytest.param((429, "rateLimited", ""), 3600, 3600, id="unsaid"),
        pytest.param((429, "rateLimited", "-7"), 3600, 3600, id="garbage"),
        pytest.param((503, "serverInternal", "900"), 900, 900, id="out-of-order"),
        pytest.param((503, "", "900"), 900, 900, id="no-problem-document"),
        pytest.param((403, "rejectedIdentifier", "3"), 480, 720, id="refused"),
    ],
)
async def test_an_authority_is_left_alone_for_as_long_as_it_says(limit, least, most, authority, running, caplog):
    authority.limit = limit
    begun = datetime.now(UTC).replace(microsecond=0)
    with caplog.at_level(logging.INFO):
        async with running() as it:
            it.want("a.test")
            await eventually(lambda: it.says("unable to obtain certificate"))
    (seconds,) = [int(found[1]) for each in caplog.messages if (found := re.search(r"tried again in (\d+) s", each))]
    assert least <= seconds <= most
    said = re.search(r"asked again at (.+) UTC", it.problems[0])
    if seconds >= 900:
        assert said is not None
        again = datetime.strptime(said[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        assert timedelta(seconds=seconds) <= again - begun <= timedelta(seconds=seconds + 20)


async def test_an_authority_that_cannot_be_entered_is_left_alone_by_all_names(authority, running):
    authority.manner = "busy"
    async with running() as it:
        it.want("a.test")
        await eventually(lambda: it.says("[a.test]"))
        it.want("a.test", "b.test")
        await eventually(lambda: it.says("[b.test]"))
        assert authority.asked == ["/directory"]
        assert all("asked again at" in each for each in it.problems)


@pytest.mark.parametrize("manner", ["redirects", "garbage", "endless", "drips"])
async def test_an_authority_that_does_not_come_to_an_end_is_left(manner, authority, running):
    authority.manner = manner
    async with running(client_timeout=1.0, certificate_timeout=1.0) as it:
        it.want("a.test")
        await eventually(lambda: it.says("unable to obtain certificate"))
        assert len(authority.asked) <= 7
        authority.manner = ""


async def test_names_that_come_and_go_begin_nothing_twice_while_the_authority_is_slow(authority, running):
    authority.manner = "drips"
    async with running() as it:
        for number in range(60):
            it.want(f"n{number}.test", "a.test")
            await asyncio.sleep(0.01)
        assert sum(thread.name == "acme" for thread in threading.enumerate()) <= 2
        assert authority.asked == ["/directory"]


async def test_a_name_that_failed_is_left_alone_though_it_is_removed_and_added_again(authority, running):
    authority.issue = lambda csr: ""
    async with running() as it:
        it.want("a.test")
        await eventually(lambda: it.says("cannot be read"))
        for _ in range(5):
            it.want()
            it.want("a.test")
            await asyncio.sleep(0.05)
        assert authority.asked.count("/newOrder") == 1


async def test_a_disk_that_is_full_costs_no_second_order(authority, running, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STORE_SECONDS", 0.2)
    async with running() as it:
        await eventually(lambda: (tmp_path / "acme.json").exists())
        it.want("a.test")
        await eventually(lambda: kept(tmp_path) == [["a.test"]])
        real, broken = Store._write, OSError(28, "No space left on device")

        def full(self, data):
            raise broken

        monkeypatch.setattr(Store, "_write", full)
        it.want("a.test", "b.test")
        await eventually(lambda: len(it.pairs) == 2 and it.says("No space left on device"))
        it.want("a.test", "b.test", "c.test")
        await eventually(lambda: it.says("nothing is ordered while"))
        monkeypatch.setattr(Store, "_write", real)
        await eventually(lambda: kept(tmp_path) == [["a.test"], ["b.test"]])
        assert authority.asked.count("/newOrder") == 2


async def test_a_stored_pair_that_does_not_fit_together_is_ordered_anew(running, tmp_path):
    async with running(Stored(("a.test",), pair(["a.test"], ec.generate_private_key(ec.SECP256R1())))) as it:
        it.want("a.test")
        await eventually(lambda: it.pairs and "a.test" in kept(tmp_path)[0] and not it.problems and fits(it.pairs[0]))


def fits(one):
    from pointsman_acme.keys import flaw

    return not flaw(["a.test"], one)


async def test_a_renewal_leaves_out_names_that_nobody_wants_any_more(authority, running, tmp_path):
    async with running(Stored(("a.test", "sold.test"), pair(["a.test", "sold.test"], days=5))) as it:
        it.want("a.test")
        await eventually(lambda: ["a.test"] in kept(tmp_path))
        assert names_of(authority._csr) == ["a.test"]
        it.want("a.test", ("a.test", "more.test"))
        await eventually(lambda: ["a.test", "more.test"] in kept(tmp_path))
        assert authority.asked.count("/newOrder") == 2


def test_a_thousand_names_are_looked_through_at_once():
    names = [f"n{number}.test" for number in range(1000)]
    holdings = Holdings(2160)
    holdings.have([Stored((name,), KeyPair(name, "")) for name in names])
    begun = time.monotonic()
    assert len(holdings.in_use([CertificateRequest((name,), "router r") for name in names])) == 1000
    assert time.monotonic() - begun < 0.5


async def test_libraries_tell_the_log_nothing_of_what_they_send(authority, running, caplog):
    with caplog.at_level(logging.DEBUG):
        async with running() as it:
            it.want("a.test")
            await eventually(lambda: it.pairs)
    assert {record.name.split(".")[0] for record in caplog.records} <= {"pointsman", "asyncio"}


def test_what_is_no_file_is_left_alone_and_nothing_leaks(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("folder", "pipe"):
        for _ in range(5):
            with pytest.raises(OSError, match="is no file"):
                Store(tmp_path / name).load()
    with pytest.raises(OSError, match="empty name"):
        Store(type(tmp_path)("/")).load()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_mounted_by_itself_is_written_in_its_place(tmp_path, monkeypatch):
    path = tmp_path / "acme.json"
    store = Store(path)
    store.load()
    store.keep("le", None, [Stored(("long.test",), KeyPair("C" * 999, "K"))])

    def busy(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "replace", busy)
    number = path.stat().st_ino
    store.keep("le", None, [])
    store.close()
    assert json.loads(path.read_text()) == {"le": {"Account": None, "Certificates": None}}
    assert path.stat().st_ino == number
    assert sorted(os.listdir(tmp_path)) == [".acme.json.lock", "acme.json"]
