"""TCP routers: who takes a connection, and what passes through it (routing.md §8.3-§8.7)."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack, suppress

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import connect, eventually, free_port, gateway, upstream

from .stage import started
from .streams import Server, balancer, dialled, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CA = trustme.CA()
GATEWAY, BEHIND = CA.issue_cert("term.test", "both.test"), CA.issue_cert("pass.test")
ALL, TLS, PASS = "HostSNI(`*`)", {"tls": {}}, {"tls": {"passthrough": True}}


def pair(leaf):
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return {"certFile": chain.decode(), "keyFile": leaf.private_key_pem.bytes().decode()}


def trusting():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def behind_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    BEHIND.configure_cert(context)
    return context


async def greets_first(connection):
    await connection.say(b"220 ready\r\n")
    await connection.rest()


async def answers_late(connection):
    """Half a second after the client has said all."""
    asked = await connection.rest()
    await asyncio.sleep(0.5)
    await connection.say(b"late " + asked)


POINTS = ("mix", "first", "late", "patient", "endless", "proxied", "proxied2", "few", "allowed", "foreign", "shared", "lost")


def document(servers, web):
    """One service for each server, and a router on each entry point."""
    routers = {
        "mix-all": {"entryPoints": ["mix"], "rule": ALL, "service": "a"},
        "mix-term": {"entryPoints": ["mix"], "rule": "HostSNI(`term.test`)", "service": "a", **TLS},
        "mix-pass": {"entryPoints": ["mix"], "rule": "HostSNI(`pass.test`)", "service": "secret", **PASS},
        "mix-both": {"entryPoints": ["mix"], "rule": "HostSNI(`both.test`)", "service": "b", **TLS},
        "first": {"entryPoints": ["first"], "rule": ALL, "service": "first"},
        "late": {"entryPoints": ["late"], "rule": ALL, "service": "late"},
        "patient": {"entryPoints": ["patient"], "rule": ALL, "service": "patient"},
        "endless": {"entryPoints": ["endless"], "rule": ALL, "service": "endless"},
        "proxied": {"entryPoints": ["proxied"], "rule": ALL, "service": "proxied"},
        "proxied2": {"entryPoints": ["proxied2"], "rule": ALL, "service": "proxied2"},
        "few": {"entryPoints": ["few"], "rule": ALL, "service": "a", "middlewares": ["two"]},
        "allowed": {"entryPoints": ["allowed"], "rule": ALL, "service": "a", "middlewares": ["here"]},
        "foreign": {"entryPoints": ["foreign"], "rule": ALL, "service": "a", "middlewares": ["elsewhere"]},
        "shared": {"entryPoints": ["shared"], "rule": ALL, "service": "shared"},
        "lost": {"entryPoints": ["lost"], "rule": ALL, "service": "lost"},
    }
    services = {name: balancer(server) for name, server in servers.items()}
    services |= {
        "patient": balancer(servers["late"], serversTransport="patient"),
        "endless": balancer(servers["late"], serversTransport="endless"),
        "proxied": balancer(servers["a"], serversTransport="v1"),
        "proxied2": balancer(servers["a"], proxyProtocol={}),
        "shared": {"weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b"}, {"name": "late", "weight": 0}]}},
        "lost": balancer(f"127.0.0.1:{free_port()}", servers["b"]),
    }
    https = {
        "page": {"entryPoints": ["mix"], "rule": "Host(`both.test`)", "service": "page", "tls": {}},
        "clear": {"entryPoints": ["mix"], "rule": "PathPrefix(`/`)", "service": "page"},
    }
    return {
        "tcp": {
            "routers": routers,
            "services": services,
            "middlewares": {
                "two": {"inFlightConn": {"amount": 2}},
                "here": {"ipAllowList": {"sourceRange": ["127.0.0.0/8"]}},
                "elsewhere": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}},
            },
            "serversTransports": {
                "patient": {"terminationDelay": "2s"},
                "endless": {"terminationDelay": "-1s"},
                "v1": {"proxyProtocol": {"version": 1}},
            },
        },
        "http": {
            "routers": https,
            "services": {"page": {"loadBalancer": {"servers": [{"url": web.url}]}}},
        },
        "tls": {"certificates": [pair(GATEWAY)]},
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage():
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(serving(name)) for name in ("a", "b")}
        servers["first"] = await stack.enter_async_context(serving("first", greets_first))
        servers["late"] = await stack.enter_async_context(serving("late", answers_late))
        servers["secret"] = await stack.enter_async_context(serving("secret", tls=behind_tls()))
        web = await stack.enter_async_context(upstream())
        static = {"entryPoints": {name: {} for name in POINTS}, "log": {"level": "INFO"}}
        front = await started(stack, lambda: gateway(document(servers, web), static))
        yield front, servers


@pytest.mark.spec("R-94")
async def test_a_terminating_router_shows_the_gateways_certificate_and_one_that_passes_through_the_servers(stage):
    front, servers = stage
    async with dialled(front.port("mix"), ssl=trusting(), server_hostname="term.test") as client:
        shown = client.writer.get_extra_info("peercert")["subjectAltName"]
        assert (await client.ask(b"hello", 6), servers["a"].seen) == (b"ahello", b"hello")
    async with dialled(front.port("mix"), ssl=trusting(), server_hostname="pass.test") as client:
        assert await client.ask(b"hello", 11) == b"secrethello"
        assert client.writer.get_extra_info("peercert")["subjectAltName"] == (("DNS", "pass.test"),)
    assert ("DNS", "term.test") in shown


@pytest.mark.spec("R-95")
async def test_https_goes_before_tcp_for_the_same_name(stage):
    front, _ = stage
    async with connect(front.port("mix"), tls=trusting(), server_name="both.test") as client:
        assert (await client.get("/", "both.test")).status == 200


@pytest.mark.spec("R-96")
async def test_a_plain_catch_all_takes_http_that_is_not_tls(stage):
    front, servers = stage
    async with dialled(front.port("mix")) as client:
        assert await client.ask(b"GET / HTTP/1.1\r\n", 5) == b"aGET "
    async with connect(front.port("mix"), tls=trusting(), server_name="both.test") as client:
        assert (await client.get("/", "both.test")).status == 200
    assert servers["a"].seen.startswith(b"GET / HTTP/1.1")


@pytest.mark.spec("R-97")
async def test_a_server_may_speak_first(stage):
    front, _ = stage
    async with dialled(front.port("first")) as client:
        assert await client.some(11) == b"220 ready\r\n"


@pytest.mark.spec("R-99")
async def test_a_server_hears_who_the_client_is(stage):
    front, servers = stage
    async with dialled(front.port("proxied")) as client:
        _, port = client.writer.get_extra_info("sockname")
        line = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {front.port('proxied')}\r\n".encode()
        await client.say(b"hello")
        await eventually(lambda: servers["a"].seen == line + b"hello")
    async with dialled(front.port("proxied2")) as client:
        await client.say(b"world")
        await eventually(lambda: servers["a"].seen.endswith(b"world"))
    assert servers["a"].seen.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11")


@pytest.mark.spec("R-100", "M-109", "M-110")
async def test_only_so_many_connections_of_a_client_are_let_in_and_only_from_where_they_may_come(stage):
    front, _ = stage
    async with dialled(front.port("few")) as first:
        assert await first.ask(b"1", 2) == b"a1"
        async with dialled(front.port("few")) as second:
            assert await second.ask(b"2", 2) == b"a2"
            async with dialled(front.port("few")) as third:
                assert await third.rest() == b""
        await eventually(lambda: answers(front.port("few")))
    async with dialled(front.port("foreign")) as client:
        assert await client.rest() == b""
    assert await answers(front.port("allowed"))


async def answers(port):
    async with dialled(port) as client:
        try:
            return await client.ask(b"x", 2) == b"ax"
        except OSError:
            return False


@pytest.mark.spec("R-102")
@pytest.mark.parametrize(("point", "expected"), [("late", b""), ("patient", b"late hello"), ("endless", b"late hello")])
async def test_who_has_said_all_gets_the_answer_if_it_comes_within_the_delay(stage, point, expected):
    front, _ = stage
    async with dialled(front.port(point)) as client:
        await client.say(b"hello")
        client.finish()
        assert await client.rest() == expected


async def test_weights_share_connections_three_to_one(stage):
    front, _ = stage
    heard = []
    for _ in range(12):
        async with dialled(front.port("shared")) as client:
            heard.append(await client.ask(b"x", 2))
    assert [heard.count(word) for word in (b"ax", b"bx")] == [9, 3]


async def test_a_server_that_refuses_is_passed_over(stage):
    front, _ = stage
    for _ in range(2):
        async with dialled(front.port("lost")) as client:
            assert await client.ask(b"x", 2) == b"bx"
    assert front.log().count("cannot connect to 127.0.0.1") == 1


async def test_much_comes_through_whole_and_a_slow_reader_holds_the_sender_back(stage):
    front, _ = stage
    blob = bytes(range(256)) * 4096 * 64  # 64 MiB, more than the kernel keeps on the way
    async with dialled(front.port("shared")) as client:
        sending = asyncio.ensure_future(client.say(blob))
        await asyncio.sleep(0.2)
        assert not sending.done(), "the server's echo is not read, so it reads no more, so neither does the gateway"
        size = 0
        while size < len(blob):
            size += len(await client.reader.read(1 << 20))
        await sending


async def test_a_silent_server_side_close_reaches_the_client(stage):
    front, servers = stage
    async with dialled(front.port("shared")) as client:
        name = await client.ask(b"x", 2)
        servers[name[:1].decode()].connections[-1].writer.close()
        assert await client.rest() == b""


@pytest.mark.spec("R-105")
async def test_an_open_session_stays_on_its_old_server(start_gateway):
    async with serving("a") as old, serving("b") as new, upstream() as web_old, upstream() as web_new:

        def routed(server, web):
            return {
                "tcp": {
                    "routers": {"r": {"rule": ALL, "entryPoints": ["tcp1"], "service": "s"}},
                    "services": {"s": balancer(server)},
                },
                "http": {
                    "routers": {"r": {"rule": "PathPrefix(`/`)", "entryPoints": ["web"], "service": "s"}},
                    "services": {"s": {"loadBalancer": {"servers": [{"url": web.url}]}}},
                },
            }

        front = await start_gateway(routed(old, web_old), {"entryPoints": {"tcp1": {}, "web": {}}})
        async with connect(front.port()) as keeping, dialled(front.port("tcp1")) as session:
            assert (await keeping.get("/", "a.example")).status == 200
            assert await session.ask(b"1", 2) == b"a1"
            await front.update(routed(new, web_new))
            assert (await keeping.get("/", "a.example")).status == 200
            assert await session.ask(b"2", 2) == b"a2"
            async with dialled(front.port("tcp1")) as another:
                assert await another.ask(b"3", 2) == b"b3"
        assert (len(web_old.requests), len(web_new.requests)) == (1, 1)


async def test_open_sessions_have_the_grace_time_and_no_more(start_gateway):
    life = {"transport": {"lifeCycle": {"graceTimeOut": "1s"}}}
    async with serving("a") as server:
        routers = {"r": {"rule": ALL, "entryPoints": ["tcp1"], "service": "s"}}
        config = {"tcp": {"routers": routers, "services": {"s": balancer(server)}}}
        front = await start_gateway(config, {"entryPoints": {"tcp1": life}, "log": {"level": "INFO"}})
        async with dialled(front.port("tcp1")) as session:
            assert await session.ask(b"1", 2) == b"a1"
            front.process.terminate()
            await eventually(lambda: "stopping" in front.log())
            assert await session.ask(b"2", 2) == b"a2"
            assert await session.rest() == b""
        assert await front.exited() == 0


@pytest.mark.spec("R-101")
async def test_servers_that_answer_wrongly_are_not_used_until_they_answer_right(start_gateway):
    words = {"a": b"PONG", "b": b"PONG"}

    def healthy(name):
        async def talk(connection):
            first = await connection.reader.read(4)
            await connection.say(words[name] if first == b"PING" else name.encode() + first)
            await connection.rest()

        return talk

    async with serving("a", healthy("a")) as a, serving("b", healthy("b")) as b:
        check = {"send": "PING", "expect": "PONG", "interval": "100ms", "timeout": "2s"}
        services = {"a": balancer(a, healthCheck=check), "b": balancer(b, healthCheck=check)}
        shares = {"services": [{"name": "a", "weight": 3}, {"name": "b"}], "healthCheck": {}}
        routers = {
            name: {"rule": ALL, "entryPoints": [name], "service": service}
            for name, service in {"both": "both", "only": "a"}.items()
        }
        config = {"tcp": {"routers": routers, "services": {**services, "both": {"weighted": shares}}}}
        front = await start_gateway(config, {"entryPoints": {"both": {}, "only": {}}, "log": {"level": "INFO"}})

        async def heard(point):
            async with dialled(front.port(point)) as client:
                with suppress(OSError):
                    return await client.ask(b"x", 2)
                return b""

        words_before = [await heard("both") for _ in range(12)]
        assert [words_before.count(word) for word in (b"ax", b"bx")] == [9, 3]
        words["a"] = b"PANG"
        await eventually(lambda: f"server {a.address} is DOWN: its answer is not what is expected" in front.log())
        assert await heard("only") == b""
        assert {await heard("both") for _ in range(4)} == {b"bx"}

        await front.update({**config, "http": {}})
        assert await heard("only") == b"", "a reload does not bring it back"
        words["a"] = b"PONG"

        async def is_back():
            return await heard("only") == b"ax"

        await eventually(is_back)
        assert b"ax" in {await heard("both") for _ in range(4)}


async def test_a_server_behind_tls_must_be_who_the_transport_says(start_gateway):
    root = CA.cert_pem.bytes().decode()
    transports = {
        "named": {"tls": {"serverName": "pass.test", "rootCAs": [root]}, "proxyProtocol": {"version": 1}},
        "misnamed": {"tls": {"serverName": "other.test", "rootCAs": [root]}},
        "skipping": {"tls": {"insecureSkipVerify": True}},
    }
    context, lines = behind_tls(), []

    def secured(listening):
        """A server that is told who the client is before TLS begins, and answers over it."""
        with listening.accept()[0] as raw:
            raw.settimeout(5)
            line = b""
            while not line.endswith(b"\n"):
                line += raw.recv(1)
            lines.append(line)
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.sendall(b"secret" + connection.recv(5))

    async with serving("late", tls=behind_tls()) as late:
        listening = socket.create_server(("127.0.0.1", 0))
        proxied = Server("front", None)
        proxied.port = listening.getsockname()[1]
        answered = asyncio.get_running_loop().run_in_executor(None, secured, listening)
        servers = {"named": proxied, "misnamed": late, "skipping": late, "default": late}
        services = {
            name: {
                "loadBalancer": {
                    "servers": [{"address": server.address, "tls": True}],
                    **({"serversTransport": name} if name in transports else {}),
                }
            }
            for name, server in servers.items()
        }
        routers = {name: {"rule": ALL, "entryPoints": [name], "service": name} for name in servers}
        config = {"tcp": {"routers": routers, "services": services, "serversTransports": transports}}
        front = await start_gateway(config, {"entryPoints": {name: {} for name in servers}, "log": {"level": "INFO"}})
        async with dialled(front.port("named")) as client:
            assert await client.ask(b"hello", 11) == b"secrethello"
        await answered
        listening.close()
        assert lines[0].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
        async with dialled(front.port("skipping")) as client:
            assert await client.ask(b"hello", 9) == b"latehello"
        for name in ("misnamed", "default"):
            async with dialled(front.port(name)) as client:
                assert await client.rest() == b""
    assert front.log().count("cannot connect to 127.0.0.1") == 2
