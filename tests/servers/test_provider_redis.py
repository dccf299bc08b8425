"""The provider `redis` with real servers: what it reads, what it does not, and how it fails (providers.md §4)."""

import asyncio
import logging
import signal
import time

import pytest
import trustme

import pointsman_redis.connections
import pointsman_redis.provider
import pointsman_redis.tree
import pointsman_redis.watch
from pointsman.testing import FakeContext, build, eventually, free_port
from pointsman_redis import RedisProvider

from .following import failure, following, serving
from .redis_servers import Redis, Sentinel, certificates, needs_redis

pytestmark = [needs_redis, pytest.mark.real("redis-server", "redis-sentinel"), pytest.mark.timeout(60)]
PASSWORD = "correct horse"
ROUTER = {"traefik/http/routers/r/rule": "Host(`a`)", "traefik/http/routers/r/service": "s"}


@pytest.fixture
def start(tmp_path_factory):
    """Servers that are gone after the test."""
    running = []

    def start(kind=Redis, *arguments, **options):
        server = kind(tmp_path_factory.mktemp("redis") / "data", *arguments, **options)
        running.append(server)
        return server.start()

    yield start
    for server in running:
        server.kill()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis") / "data", password=PASSWORD).start()
    yield server
    server.kill()


@pytest.fixture
def redis(one_server):
    one_server.ask("FLUSHALL")
    one_server.ask("CONFIG", "SET", "notify-keyspace-events", "")
    return one_server


@pytest.fixture
def often(monkeypatch):
    """Look without being told five times a second."""
    monkeypatch.setattr(pointsman_redis.provider, "RESYNC_SECONDS", 0.2)


@pytest.fixture
def never(monkeypatch):
    """Look only when told."""
    monkeypatch.setattr(pointsman_redis.provider, "RESYNC_SECONDS", 1000.0)


def put(redis, pairs, *prefix):
    redis.ask("MSET", *(part for pair in pairs.items() for part in pair))


def a_provider(redis, **config):
    return build(RedisProvider, {"endpoints": [redis.endpoint], "password": redis.password, **config}, FakeContext("redis"))


@pytest.mark.spec("P-70")
async def test_strings_below_the_root_are_read_and_nothing_else(redis, never):
    put(redis, ROUTER | {"traefik/http/routers/r/tls": "", "traefik/http/routers/t/tls": "true", "traefik/tick": "1"})
    put(redis, {"traefik2/http/routers/r/rule": "x", "traefik/http": ""})
    redis.ask("EVAL", r"return redis.call('SET', 'traefik/acme/account', '\255')", "0")
    redis.ask("RPUSH", "traefik/http/routers/r/entrypoints", "web")
    redis.ask("HSET", "traefik/http/routers/h", "rule", "x")
    async with following(a_provider(redis)) as told:
        assert told.document["http"] == {"routers": {"r": {"rule": "Host(`a`)", "service": "s"}, "t": {"tls": {}}}}
        assert told.problems == []
        redis.ask("SET", "traefik/http/routers/r/rule", "Host(`b`)")
        await eventually(lambda: told.rule() == "Host(`b`)")


async def test_the_root_may_look_like_a_pattern_and_the_database_be_another(redis, never):
    redis.ask("SET", "axb/http/routers/r/rule", "wrong")
    async with following(a_provider(redis, rootKey="a*[b]?\\", db=0)) as told:
        redis.ask("SET", "a*[b]?\\/http/routers/r/rule", "right")
        await eventually(lambda: told.rule() == "right")
    async with following(a_provider(redis, db=1)) as told:
        assert told.document == {"http": {"routers": {}}}


@pytest.mark.spec("P-66")
async def test_what_is_deleted_renamed_or_expires_goes_and_the_last_key_clears(redis, never):
    put(redis, ROUTER)
    async with following(a_provider(redis)) as told:
        redis.ask("RENAME", "traefik/http/routers/r/rule", "traefik/http/routers/q/rule")
        await eventually(lambda: told.rule("q") and not told.rule("r"))
        redis.ask("PEXPIRE", "traefik/http/routers/q/rule", "1")
        await eventually(lambda: not told.rule("q"))
        redis.ask("DEL", "traefik/http/routers/r/service")
        await eventually(lambda: told.document == {"http": {"routers": {}}})


async def test_many_changes_at_once_are_read_once(redis, never):
    def write():
        for number in range(200):
            redis.ask("SET", f"traefik/http/routers/r{number}/rule", "x")

    async with following(a_provider(redis)) as told:
        before, begun = len(told.messages), time.monotonic()
        await asyncio.to_thread(write)
        await eventually(lambda: told.rule("r199"))
        assert len(told.messages) - before <= 2 + (time.monotonic() - begun) / 0.1


@pytest.mark.spec("P-69")
async def test_a_key_that_means_nothing_is_a_problem_until_it_is_gone(redis, never):
    put(redis, ROUTER | {"traefik/http/routers/r/nope": "1"})
    async with following(a_provider(redis)) as told:
        assert told.document == {}
        assert "nope" in told.problems[0]
        redis.ask("DEL", "traefik/http/routers/r/nope")
        await eventually(told.rule)
        assert told.problems == []


async def test_a_value_that_is_no_text_is_named(redis):
    redis.ask("EVAL", r"return redis.call('SET', 'traefik/http/routers/r/rule', '\255')", "0")
    async with following(a_provider(redis)) as told:
        assert told.problems == ["traefik/http/routers/r/rule: does not hold text in UTF-8"]


async def test_more_than_is_sane_is_not_read(redis, monkeypatch):
    put(redis, ROUTER)
    monkeypatch.setattr(pointsman_redis.tree, "MOST_KEYS", 1)
    async with following(a_provider(redis)) as told:
        assert told.problems == ["providers.redis.rootKey: there are more than 1 keys below 'traefik'"]
    monkeypatch.undo()
    monkeypatch.setattr(pointsman_redis.tree, "MOST_BYTES", 1 << 20)
    redis.ask("SETRANGE", "traefik/http/routers/r/rule", str(1 << 20), "x")
    async with following(a_provider(redis)) as told:
        assert told.problems == ["providers.redis.rootKey: keys and values hold more than 1 MiB"]


async def test_notifications_are_added_to_those_that_are_on(redis, often):
    redis.ask("CONFIG", "SET", "notify-keyspace-events", "Em")

    def flags():
        return set(redis.ask("CONFIG", "GET", "notify-keyspace-events").split(b"\r\n")[4].decode())

    async with following(a_provider(redis)):
        assert flags() == set("EmK$gxe")
        redis.ask("CONFIG", "SET", "notify-keyspace-events", "")
        await eventually(lambda: flags() == set("K$gxe"), "they are switched on again")
    redis.ask("CONFIG", "SET", "notify-keyspace-events", "KEA")
    async with following(a_provider(redis)):
        assert flags() == set("KEA")


async def test_what_sends_no_notification_is_found_by_looking(redis, often):
    put(redis, ROUTER)
    async with following(a_provider(redis)) as told:
        assert told.rule()
        redis.ask("FLUSHALL")
        await eventually(lambda: told.document == {"http": {"routers": {}}})


async def test_where_it_may_not_ask_for_notifications_it_says_so_once_and_looks(redis, often, caplog):
    rights = ["+scan", "+mget", "+psubscribe", "+ping", "+select", "allkeys", "allchannels"]
    redis.ask("ACL", "SETUSER", "reader", "reset", "on", ">pw", *rights)
    put(redis, ROUTER)
    with caplog.at_level(logging.WARNING):
        async with following(a_provider(redis, username="reader", password="pw")) as told:
            redis.ask("SET", "traefik/http/routers/r/rule", "Host(`b`)")
            await eventually(lambda: told.rule() == "Host(`b`)")
            redis.ask("SET", "traefik/http/routers/r/rule", "Host(`c`)")
            await eventually(lambda: told.rule() == "Host(`c`)")
    said = [record.message for record in caplog.records if "notify-keyspace-events" in record.message]
    assert len(said) == 1
    assert "unless it is set there to 'KEA'" in said[0]


async def test_a_wrong_password_is_said_and_not_shown(redis):
    for wrong in ({"password": "battery staple"}, {"password": ""}, {"username": "me", "password": "battery staple"}):
        error = await failure(a_provider(redis, **wrong))
        assert type(error).__name__ in ("AuthenticationError", "AuthenticationRequiredError")
        assert "staple" not in str(error)


async def test_a_database_that_is_not_there_is_no_matter_of_notifications(redis, caplog):
    assert "out of range" in str(await failure(a_provider(redis, db=99)))
    assert "notify" not in caplog.text


async def test_it_ends_whenever_it_is_told_to(redis, monkeypatch):
    monkeypatch.setattr(pointsman_redis.provider, "RESYNC_SECONDS", 0.002)
    for number in range(60):
        task = asyncio.create_task(a_provider(redis).provide(lambda document, problems=(): None))
        await asyncio.sleep(number % 15 * 0.002)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()


async def test_a_server_that_stops_to_answer_is_given_up(start, monkeypatch, often):
    redis = start()

    def stop():
        redis.process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(pointsman_redis.connections, "ANSWER_SECONDS", 0.3)

    error = await failure(a_provider(redis), stop)
    assert str(error) == f"{redis.endpoint}: Redis has not answered within 0.3 s"


async def test_a_connection_for_notifications_that_died_unnoticed_is_given_up(redis, often):
    """As behind a firewall that has forgotten it: nothing comes through, and nobody says so."""
    dead = asyncio.Event()

    async def pump(reader, writer, said):
        while data := await reader.read(65536):
            said += data
            if not (dead.is_set() and b"PSUBSCRIBE" in said):
                writer.write(data)

    async def relay(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", redis.port)
        said = bytearray()
        try:
            await asyncio.gather(pump(reader, back, said), pump(there, writer, said))
        finally:
            back.transport.abort()

    async with serving(relay) as endpoint:
        error = await failure(a_provider(redis, endpoints=[endpoint]), dead.set)
    assert str(error) == f"{endpoint}: the connection for notifications is dead"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], "Redis has not answered within 0.3 s"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "Protocol Error"),
        ([b"$999999999999\r\n"], "more than 64 MiB"),
        ([b"*2\r\n$60000000\r\n", *[b"x" * 1_000_000] * 60, b"\r\n$60000000\r\n"], "more than 64 MiB"),
        ((b"x" * 100_000 for _ in range(1000)), "limit"),
        ((b"*1\r\n" * 1000 for _ in range(100)), "recursion"),
        ([b"-LOADING Redis is loading the dataset in memory\r\n"], "loading"),
        ([b":x\r\n"], "invalid literal"),
    ],
    ids=["nothing", "http", "huge", "huge together", "endless line", "deep", "loading", "no number"],
)
async def test_what_is_no_redis_is_given_up(answer, expected, monkeypatch):
    if not answer:
        monkeypatch.setattr(pointsman_redis.connections, "ANSWER_SECONDS", 0.3)

    async def talk(reader, writer):
        await reader.readline()
        for part in answer:
            writer.write(part)
            await writer.drain()
        await asyncio.Event().wait()

    async with serving(talk) as endpoint:
        error = await failure(build(RedisProvider, {"endpoints": [endpoint]}, FakeContext("redis")))
    assert expected in str(error)


async def test_nobody_there_is_said():
    error = await failure(build(RedisProvider, {"endpoints": [f"127.0.0.1:{free_port()}"]}, FakeContext("redis")))
    assert isinstance(error, Exception)
    assert "connecting to 127.0.0.1" in str(error)


async def test_over_tls_with_certificates_on_both_sides(start, tmp_path, never):
    authority = trustme.CA()
    redis = start(tls=certificates(tmp_path / "server", authority), password=PASSWORD)
    put(redis, ROUTER)
    client = authority.issue_cert("gateway.test")
    own = {
        "ca": authority.cert_pem.bytes().decode(),
        "cert": client.cert_chain_pems[0].bytes().decode(),
        "key": client.private_key_pem.bytes().decode(),
    }
    async with following(a_provider(redis, tls=own)) as told:
        redis.ask("SET", "traefik/http/routers/r/rule", "Host(`b`)")
        await eventually(lambda: told.rule() == "Host(`b`)")
    assert "certificate verify failed" in str(await failure(a_provider(redis, tls={})))
    await failure(a_provider(redis, tls={"ca": own["ca"]}))


def linked(sentinel, state):
    """Whether the Sentinel says this of the replica and its master."""
    return b"master-link-status\r\n$%d\r\n%s\r\n" % (len(state), state) in sentinel.ask("SENTINEL", "REPLICAS", "mymaster")


def readers(server):
    return server.ask("PUBSUB", "NUMPAT") == b":1\r\n"


def watched(start):
    """A master and its replica, and a Sentinel that knows of both."""
    master = start(Redis, "--repl-diskless-sync-delay", "0")
    replica = start(Redis, "--replicaof", "127.0.0.1", str(master.port))
    replica.wait(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"), "the replica follows")
    sentinel = start(Sentinel, master)
    sentinel.wait(lambda: linked(sentinel, b"ok"), "the Sentinel knows the replica")
    return master, replica, sentinel


@pytest.mark.timeout(90)
async def test_sentinels_say_who_is_read_and_who_comes_after(start, often):
    master, replica, sentinel = watched(start)
    put(master, ROUTER)

    def by(**options):
        own = {"masterName": "mymaster", **options}
        endpoints = [f"127.0.0.1:{free_port()}", sentinel.endpoint]
        return build(RedisProvider, {"endpoints": endpoints, "sentinel": own}, FakeContext("redis"))

    for _ in range(4):
        async with following(by(replicaStrategy=True)):
            assert readers(replica)
    async with following(by(replicaStrategy=True)) as told:
        await eventually(told.rule)
        master.ask("SET", "traefik/http/routers/r/rule", "Host(`b`)")
        await eventually(lambda: told.rule() == "Host(`b`)")
    for strategy in ("latencyStrategy", "randomStrategy"):
        async with following(by(**{strategy: True})) as told:
            await eventually(lambda: told.rule() == "Host(`b`)")
            assert readers(master) != readers(replica)
    assert "'other'" in str(await failure(by(masterName="other")))

    provider = by()
    assert isinstance(await failure(provider, master.kill), Exception)

    async def follows_the_new_master():
        try:
            async with following(provider) as told:
                return told.rule() and readers(replica)
        except Exception:
            return False

    await eventually(follows_the_new_master, "the replica is the master that is read")


async def test_a_master_that_sentinels_no_longer_name_is_left(start, often):
    master, replica, sentinel = watched(start)
    config = {"endpoints": [sentinel.endpoint], "sentinel": {"masterName": "mymaster"}}
    async with following(build(RedisProvider, config, FakeContext("redis"))):
        assert readers(master)
        sentinel.ask("SENTINEL", "REMOVE", "mymaster")
        sentinel.ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", str(replica.port), "1")
        replica.ask("REPLICAOF", "NO", "ONE")
        await eventually(lambda: readers(replica), "the other one is read")


async def test_a_replica_that_lost_its_master_is_read_only_if_that_is_wanted(start, never):
    master, replica, sentinel = watched(start)
    sentinel.kill()
    replica.ask("REPLICAOF", "127.0.0.1", str(free_port()))
    sentinel.start()
    sentinel.wait(lambda: linked(sentinel, b"err"), "the Sentinel knows that it has")
    for wanted, server in ((False, master), (True, replica)):
        own = {"masterName": "mymaster", "replicaStrategy": True, "useDisconnectedReplicas": wanted}
        async with following(
            build(RedisProvider, {"endpoints": [sentinel.endpoint], "sentinel": own}, FakeContext("redis"))
        ):
            assert readers(server)
