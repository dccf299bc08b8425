"""rateLimit with a real Redis: alone, as a cluster, behind Sentinels, away, slow, and over TLS (middlewares.md §3.17)."""

import asyncio
import logging
import time

import pytest
import trustme

from pointsman.testing import FakeContext, a_request, answering, build, eventually, free_port
from pointsman_ratelimit import RateLimit
from pointsman_ratelimit.redis_server import _SERVERS

from .redis_servers import Redis, Sentinel, certificates, needs_redis

pytestmark = [needs_redis, pytest.mark.real("redis-server", "redis-sentinel"), pytest.mark.timeout(60)]
MINUTE = {"average": 6, "period": "1m", "burst": 2}


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


@pytest.fixture(name="redis", scope="module")
def one_server(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis") / "data").start()
    yield server
    server.kill()


class Limiter:
    """An instance, and its life."""

    def __init__(self, redis, name="limit@file", **config):
        self.gate = build(RateLimit, {**MINUTE, **config, "redis": redis}, FakeContext(name))

    async def __aenter__(self):
        if hasattr(self.gate, "start"):
            await self.gate.start()
        return self

    async def __aexit__(self, *error):
        if hasattr(self.gate, "aclose"):
            await self.gate.aclose()

    async def ask(self, client="192.0.2.1", **more):
        return await self.gate.bind(answering(200))(a_request(client=client, **more))

    async def statuses(self, count, client="192.0.2.1"):
        return [(await self.ask(client)).status for _ in range(count)]


def at(*servers, **more):
    return {"endpoints": [server.endpoint for server in servers], **more}


def errors(caplog):
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_bucket_is_a_hash_that_is_gone_in_time(redis):
    async with Limiter(at(redis), "keys@file") as limiter:
        assert await limiter.statuses(2) == [200, 200]
        refusal = await limiter.ask()
        assert refusal.status == 429
        headers = dict(refusal.headers.raw)
        assert headers[b"retry-after"] == b"10"
        assert headers[b"x-retry-in"].startswith(b"9.9")

        fields = redis.ask("HGETALL", "rate:keys@file:192.0.2.1")
        assert b"last" in fields
        assert b"tokens" in fields
        assert 20 < int(redis.ask("TTL", "rate:keys@file:192.0.2.1")[1:]) <= 22
        assert await limiter.statuses(1, "192.0.2.2") == [200]


async def test_it_fills_up_at_the_rate_and_who_is_early_waits(redis):
    async with Limiter(at(redis), "fill@file", average=10, period="1s", burst=1) as limiter:
        assert await limiter.statuses(2) == [200, 429]
        await asyncio.sleep(0.07)
        begun = time.monotonic()
        assert await limiter.statuses(1) == [200]
        assert 0.005 < time.monotonic() - begun < 0.05


async def test_two_gateways_count_together_and_other_names_do_not(redis):
    async with Limiter(at(redis), "two@file") as one, Limiter(at(redis, poolSize=1), "two@file") as other:
        assert [(await each.ask()).status for each in (one, other, one, other)] == [200, 200, 429, 429]
    async with Limiter(at(redis), "three@file") as third:
        assert await third.statuses(1) == [200]


async def test_no_average_is_no_limit_and_no_question(redis):
    async with Limiter(at(redis), "free@file", average=0) as limiter:
        assert await limiter.statuses(20) == [200] * 20
    assert redis.ask("EXISTS", "rate:free@file:192.0.2.1") == b":0\r\n"


async def test_a_script_that_the_server_forgot_is_sent_again(redis):
    async with Limiter(at(redis), "forgot@file") as limiter:
        assert await limiter.statuses(1) == [200]
        redis.ask("SCRIPT", "FLUSH")
        assert await limiter.statuses(2) == [200, 429]


async def test_instances_with_the_same_settings_share_connections_until_the_last_one_ends(redis):
    async with Limiter(at(redis), "a@file") as one, Limiter(at(redis), "b@file") as other:
        await one.ask()
        await other.ask()
        assert len(_SERVERS) == 1
        await other.gate.aclose()
        assert (await one.ask()).status == 200
    assert not _SERVERS


async def test_who_leaves_in_the_middle_spoils_nothing_for_others(redis):
    async with Limiter(at(redis, poolSize=2), "leave@file", average=1, period="1h", burst=1) as limiter:
        for turn in range(40):
            leaving = [asyncio.ensure_future(limiter.ask("192.0.2.9")) for _ in range(3)]
            await asyncio.sleep(0.0002 * (turn % 5))
            for each in leaving:
                each.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            assert await limiter.statuses(2, f"192.0.2.{turn + 20}") == [200, 429]


async def test_sources_of_any_bytes_and_length_are_told_apart(redis):
    criterion = {"requestHeaderName": "X-Who"}
    async with Limiter(at(redis), "bytes@file", average=1, period="1h", burst=1, sourceCriterion=criterion) as limiter:
        for who in (b"", b"\xff\x80", b"{a}", b"a b", b"x" * 8000, b"x" * 8001):
            found = [(await limiter.ask(headers=[(b"x-who", who)])).status for _ in range(2)]
            assert found == [200, 429], who
    assert b"x" * 300 not in redis.ask("KEYS", "rate:bytes@file:*")


# away


@pytest.mark.parametrize(
    ("policy", "expected"), [("deny", [500, 500, 500, 500]), ("allow", [200] * 4), ("local", [200, 200, 429, 429])]
)
async def test_a_redis_that_is_not_there(policy, expected, start, caplog):
    redis = start()
    redis.kill()
    async with Limiter(at(redis, onFailure=policy, password="s3cret")) as limiter:
        assert await limiter.statuses(4) == expected
        if policy == "deny":
            assert (await limiter.ask()).content == b"Could not insert/update bucket\n"
    (line,) = errors(caplog)
    assert line.startswith(f"Redis at {redis.endpoint} cannot be used (ConnectionError: ")
    assert line.endswith(f"; until it can, onFailure '{policy}' decides")
    assert "s3cret" not in caplog.text


async def test_a_redis_that_dies_and_comes_back(start, caplog):
    redis = start()
    async with Limiter(at(redis), burst=1000) as limiter:
        assert await limiter.statuses(3) == [200] * 3
        redis.kill()
        assert await limiter.statuses(50) == [500] * 50
        redis.start()

        async def lets_in():
            return (await limiter.ask()).status == 200

        await eventually(lets_in)
        assert await limiter.statuses(20) == [200] * 20
    first, second = errors(caplog)
    assert "cannot be used" in first
    assert "answers again after" in second


async def test_a_restart_that_nobody_saw_is_no_outage(start, caplog):
    """The connections that are kept are dead, and are made anew."""
    redis = start()
    async with Limiter(at(redis)) as limiter:
        assert await limiter.statuses(1) == [200]
        redis.kill()
        redis.start()
        assert await limiter.statuses(2) == [200, 200]
    assert errors(caplog) == []


async def test_a_wrong_password_is_said_without_the_password(start, caplog):
    redis = start(password="right")
    async with Limiter(at(redis, password="wrong-s3cret")) as limiter:
        assert await limiter.statuses(1) == [500]
    assert "s3cret" not in caplog.text
    assert "WRONGPASS" in caplog.text or "invalid" in caplog.text
    async with Limiter(at(redis, password="right", username="default", db=3)) as limiter:
        assert await limiter.statuses(3) == [200, 200, 429]


async def test_a_redis_that_says_nothing_holds_up_a_bounded_number_for_a_bounded_time(caplog):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    times = {"readTimeout": "200ms", "writeTimeout": "100ms", "dialTimeout": "100ms"}
    async with Limiter({"endpoints": [f"127.0.0.1:{port}"], "poolSize": 3, **times}) as limiter:
        begun = time.monotonic()
        found = await asyncio.gather(*(limiter.ask(f"192.0.2.{each % 250}") for each in range(3000)))
        assert {answer.status for answer in found} == {500}
        assert time.monotonic() - begun < 3
        (shared,) = _SERVERS.values()
        assert "0 busy, 0 waiting" in repr(shared)
    server.close()
    assert len(errors(caplog)) == 1


GARBAGE = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a number": b":5\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "a map": b"%1\r\n:1\r\n:2\r\n",
    "words": b"*2\r\n$3\r\nabc\r\n$1\r\n1\r\n",
    "no numbers": b"*2\r\n$3\r\nnan\r\n$3\r\ninf\r\n",
    "less than nothing": b"*2\r\n$2\r\n-5\r\n$1\r\n1\r\n",
    "no length": b"$abc\r\n",
    "lists in lists": b"*1\r\n" * 5000 + b":1\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_what_answers_and_is_no_redis_is_away_as_well(what, caplog):
    async def other(reader, writer):
        while line := await reader.readline():
            sizes_and_words = [await reader.readline() for _ in range(2 * int(line[1:]))]
            writer.write(GARBAGE[what] if b"EVAL" in sizes_and_words[1] else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    async with Limiter({"endpoints": [f"127.0.0.1:{server.sockets[0].getsockname()[1]}"], "onFailure": "allow"}) as limiter:
        assert await limiter.statuses(10) == [200] * 10
    server.close()
    assert len(errors(caplog)) == 1
    assert "cannot be used" in caplog.text


async def test_a_bucket_that_takes_ages_to_fill_is_kept_as_long_as_redis_can(redis):
    async with Limiter(at(redis), "ages@file", average=1, period="100000h", burst=2**62) as limiter:
        assert await limiter.statuses(3) == [200] * 3
    assert int(redis.ask("TTL", "rate:ages@file:192.0.2.1")[1:]) > 10**8


async def test_a_master_that_became_a_replica_is_looked_for_anew(start):
    redis = start(Redis)
    async with Limiter(at(redis, onFailure="allow")) as limiter:
        await limiter.ask()
        assert redis.ask("CLIENT", "LIST").count(b"addr=") == 4, "one of ours and one of the test, with laddr"
        redis.ask("REPLICAOF", "127.0.0.1", str(free_port()))
        assert (await limiter.ask()).status == 200
        await eventually(lambda: redis.ask("CLIENT", "LIST").count(b"addr=") == 2, "ours is closed")


# over TLS, in a cluster, behind Sentinels


def client_tls(authority):
    own = authority.issue_cert("gateway.test")
    return {
        "ca": authority.cert_pem.bytes().decode(),
        "cert": own.cert_chain_pems[0].bytes().decode(),
        "key": own.private_key_pem.bytes().decode(),
    }


async def test_over_tls_with_a_certificate_of_ones_own(start, tmp_path, caplog):
    authority = trustme.CA()
    redis = start(tls=certificates(tmp_path / "server", authority), password="s3cret")
    tls = client_tls(authority)
    async with Limiter(at(redis, password="s3cret", tls=tls)) as limiter:
        assert await limiter.statuses(3) == [200, 200, 429]
    async with Limiter(at(redis, password="s3cret", tls={**tls, "ca": trustme.CA().cert_pem.bytes().decode()})) as limiter:
        assert await limiter.statuses(1) == [500]
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert "PRIVATE" not in caplog.text


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_cluster(secure, start, tmp_path):
    authority = trustme.CA()
    ports = [free_port(), free_port()]
    options = ["--cluster-enabled", "yes", *(["--tls-cluster", "yes"] if secure else [])]
    tls = certificates(tmp_path / "server", authority) if secure else ()
    nodes = [start(Redis, *options, "--cluster-port", str(port), tls=tls) for port in ports]
    nodes[0].ask("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
    nodes[1].ask("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
    nodes[0].ask("CLUSTER", "MEET", *nodes[1].endpoint.split(":"), str(ports[1]))
    for node in nodes:
        node.wait(lambda node=node: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"), "the cluster is whole")
    async with Limiter(at(*nodes, **({"tls": client_tls(authority)} if secure else {}))) as limiter:
        for last in range(20):
            assert await limiter.statuses(3, f"192.0.2.{last}") == [200, 200, 429]
    assert all(int(node.ask("DBSIZE")[1:]) > 0 for node in nodes)


async def test_sentinels_say_who_is_master_also_after_it_has_died(start, caplog):
    master = start(Redis)
    replica = start(Redis, "--replicaof", "127.0.0.1", str(master.port))
    master.wait(lambda: b"connected_slaves:1" in master.ask("INFO", "replication"), "the replica follows")
    sentinel = start(Sentinel, master)
    sentinel.wait(lambda: sentinel.knows_replicas(1), "it knows the replica")
    settings = at(sentinel, sentinel={"masterName": "mymaster"}, dialTimeout="500ms", readTimeout="500ms")
    async with Limiter(settings, burst=1000) as limiter:
        assert await limiter.statuses(5) == [200] * 5
        assert master.ask("EXISTS", "rate:limit@file:192.0.2.1") == b":1\r\n"
        master.kill()

        async def lets_in():
            return (await limiter.ask()).status == 200

        await eventually(lets_in, "the replica has become the master")
        assert await limiter.statuses(20) == [200] * 20
        assert b"role:master" in replica.ask("INFO", "replication")
        left = dict((await limiter.ask()).headers.raw)
        assert left == {}
    assert len(errors(caplog)) == 2, "one line when it begins, and one when it is over"
