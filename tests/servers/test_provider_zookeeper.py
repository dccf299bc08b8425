"""The provider `zooKeeper` with a real server: what it reads and follows, and how it fails (providers.md §4)."""

import asyncio
import logging
import signal
import struct
import time

import pytest
from kazoo.security import make_digest_acl

import pointsman_zookeeper.provider
import pointsman_zookeeper.session
import pointsman_zookeeper.threads
import pointsman_zookeeper.tree
from pointsman.testing import FakeContext, build, eventually, free_port
from pointsman_zookeeper import ZooKeeperProvider

from .following import failure, following, serving
from .zookeeper_servers import Writer, ZooKeeper, needs_zookeeper

pytestmark = [needs_zookeeper, pytest.mark.real("java"), pytest.mark.timeout(60)]
ROUTERS = "/traefik/http/routers"
ROUTER = {f"{ROUTERS}/r/rule": "Host(`a`)", f"{ROUTERS}/r/service": "s"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper") / "data").start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def one_writer(server):
    writer = Writer(server)
    yield writer
    writer.close()


@pytest.fixture
def writer(one_writer):
    for name in one_writer.get_children("/"):
        if name != "zookeeper":
            one_writer.delete(f"/{name}")
    return one_writer


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(pointsman_zookeeper.session, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(pointsman_zookeeper.session, "CLOSE_SECONDS", 0.1)


def a_provider(*endpoints, **config):
    return build(ZooKeeperProvider, {"endpoints": list(endpoints), **config}, FakeContext("zookeeper"))


@pytest.mark.spec("P-67")
async def test_every_change_below_the_root_is_seen(server, writer):
    """Nothing here waits for the slow look: that comes after 30 s."""
    async with following(a_provider(server.endpoint)) as told:
        assert told.document == {"http": {"routers": {}}}
        writer.put(ROUTER)
        await eventually(lambda: told.rule() == "Host(`a`)")
        writer.put({f"{ROUTERS}/r/rule": "Host(`b`)"})
        await eventually(lambda: told.rule() == "Host(`b`)")
        writer.put({f"{ROUTERS}/r/tls/domains/0/main": "a.test"})
        await eventually(lambda: "a.test" in str(told.document))
        writer.put({f"{ROUTERS}/r/tls/domains/0/main": "b.test"})
        await eventually(lambda: "b.test" in str(told.document))
        writer.delete(f"{ROUTERS}/r/tls/domains")
        await eventually(lambda: "b.test" not in str(told.document))
        assert told.rule() == "Host(`b`)"
        writer.delete(f"{ROUTERS}/r")
        await eventually(lambda: told.document == {"http": {"routers": {}}})
        writer.put(ROUTER)
        await eventually(told.rule)
        writer.delete("/traefik")
        await eventually(lambda: told.document == {"http": {"routers": {}}})
        assert told.problems == []


async def test_folders_say_nothing_and_blocks_without_a_value_do(server, writer):
    writer.put(ROUTER | {f"{ROUTERS}/r/tls": "", f"{ROUTERS}/half": "", "/traefik/http/middlewares": "", "/traefik/udp": ""})
    writer.put({f"{ROUTERS}/q/tls": "true", "/traefik/tick": "1", "/traefik2/http/routers/r/rule": "x"})
    writer.put({"/traefik/http/services/s/loadbalancer/servers/0/url": "http://a"})
    writer.delete("/traefik/http/services/s/loadbalancer/servers/0")
    writer.create("/traefik/acme", b"\xff")
    async with following(a_provider(server.endpoint)) as told:
        assert told.document == {
            "http": {"routers": {"r": {"rule": "Host(`a`)", "service": "s", "tls": {}}, "q": {"tls": {}}}}
        }
        assert told.problems == []


@pytest.mark.spec("P-69")
async def test_what_cannot_be_used_is_a_problem_until_it_is_gone(server, writer):
    writer.put(ROUTER | {f"{ROUTERS}/r/nope": "1"})
    async with following(a_provider(server.endpoint)) as told:
        assert told.document == {}
        assert "nope" in told.problems[0]
        writer.delete(f"{ROUTERS}/r/nope")
        await eventually(told.rule)
        assert told.problems == []
        writer.set(f"{ROUTERS}/r/rule", b"\xff")
        await eventually(lambda: told.problems == [f"{ROUTERS}/r/rule: does not hold text in UTF-8"])


async def test_more_than_is_sane_is_not_read(server, writer, monkeypatch):
    writer.put(ROUTER)
    monkeypatch.setattr(pointsman_zookeeper.tree, "MOST_NODES", 5)
    async with following(a_provider(server.endpoint)) as told:
        assert told.problems == ["providers.zooKeeper.rootKey: there are more than 5 nodes below /traefik"]
    monkeypatch.undo()
    monkeypatch.setattr(pointsman_zookeeper.tree, "MOST_BYTES", 1 << 19)
    writer.put({f"{ROUTERS}/r/rule": "x" * (1 << 19)})
    async with following(a_provider(server.endpoint)) as told:
        assert told.problems == ["providers.zooKeeper.rootKey: names and values hold more than 0 MiB"]


async def test_many_changes_at_once_are_read_once(server, writer):
    writer.put({f"{ROUTERS}/r{number}/rule": "x" for number in range(5)})

    def write():
        for number in range(200):
            writer.set(f"{ROUTERS}/r{number % 5}/rule", str(number).encode())

    async with following(a_provider(server.endpoint)) as told:
        before, begun = len(told.messages), time.monotonic()
        await asyncio.to_thread(write)
        await eventually(lambda: told.rule("r4") == "199")
        assert len(told.messages) - before <= 2 + (time.monotonic() - begun) / 0.1


async def test_it_logs_in_by_digest(server, writer, caplog):
    writer.put(ROUTER)
    writer.set_acls(f"{ROUTERS}/r/rule", [make_digest_acl("reader", "correct horse", all=True)])
    writer.add_auth("digest", "reader:correct horse")
    login = {"username": "reader", "password": "correct horse"}
    with caplog.at_level(logging.DEBUG):
        async with following(a_provider(server.endpoint, **login)) as told:
            assert told.rule() == "Host(`a`)"
        async with following(a_provider(server.endpoint, **{**login, "password": "wrong horse"})) as told:
            assert told.document == {}
            assert told.problems[0].startswith(f"{ROUTERS}/r/rule: may not be read with this name and password")
    assert "horse" not in caplog.text


async def test_one_of_several_servers_is_enough(server, writer):
    writer.put(ROUTER)
    async with following(a_provider(f"127.0.0.1:{free_port()}", server.endpoint, f"127.0.0.1:{free_port()}")) as told:
        assert told.rule()


async def test_a_lost_connection_ends_it(tmp_path):
    own = ZooKeeper(tmp_path / "zookeeper").start()
    error = await failure(a_provider(own.endpoint), own.kill)
    assert isinstance(error, ConnectionError)
    assert str(error) == f"the connection to {own.endpoint} is lost"


async def test_a_server_that_stops_to_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pointsman_zookeeper.session, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(pointsman_zookeeper.session, "SESSION_SECONDS", 1.5)
    own = ZooKeeper(tmp_path / "zookeeper").start()
    error = await failure(a_provider(own.endpoint), lambda: own.process.send_signal(signal.SIGSTOP))
    own.kill()
    assert isinstance(error, ConnectionError)


CONNECTED = struct.pack(">iiiqi16s?", 37, 0, 10_000, 1, 16, b"", False)
"""What a server says first, and says well."""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        CONNECTED + b"\0\0\0\2xx",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x7f\xff\xff\xff" + b"x" * 100_000,
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01x",
    ],
    ids=["nothing", "nonsense later", "http", "huge", "negative", "short"],
)
async def test_what_is_no_zookeeper_is_given_up_without_a_word(answer, impatient, capfd):
    async def talk(reader, writer):
        await reader.read(4)
        writer.write(answer)
        await asyncio.Event().wait()

    async with serving(talk) as endpoint:
        error = await failure(a_provider(endpoint))
    assert isinstance(error, ConnectionError)
    assert endpoint in str(error)
    assert capfd.readouterr().err == ""


async def test_an_answer_longer_than_is_sane_is_not_read(server, writer, monkeypatch):
    writer.put({f"{ROUTERS}/r/rule": "x" * 100_000})
    monkeypatch.setattr(pointsman_zookeeper.threads, "MOST_BYTES", 50_000)
    assert isinstance(await failure(a_provider(server.endpoint)), ConnectionError)
