"""forwardAuth over real sockets: friendly authentication servers, and hostile ones (middlewares.md section 3.11)."""

import asyncio
import socket
import ssl
from typing import ClassVar

import pytest
import pytest_asyncio
import trustme
from attrs import frozen

from pointsman import hookimpl
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.control.merge import merge
from pointsman.plugins import load_registry
from pointsman.testing import CLOSE, PIPE, RESET, answer, chunked, connect, eventually, upgrade, upstream
from pointsman.worker import Worker
from pointsman_forwardauth import ForwardAuth

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = trustme.CA()
DOORS = {
    "plain": {"authResponseHeaders": ["X-Auth-User", "X-Missing"], "trustForwardHeader": False},
    "regex": {"authResponseHeadersRegex": "^X-", "trustForwardHeader": False},
    "location": {"preserveLocationHeader": True},
    "body": {"forwardBody": True, "maxBodySize": 5},
    "small": {"maxResponseBodySize": 50},
    "signin": {"authSigninURL": "http://login/"},
    "trusting": {"trustForwardHeader": True},
    "doubting": {"trustForwardHeader": False},
    "cookies": {"addAuthCookiesToResponse": ["sess"]},
    "quick": {"timeout": "300ms"},
}


def dynamic(urls):
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in DOORS}
    rules |= {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in ("closed", "broken")}
    document = routed(rules, urls)
    middlewares = {name: {"forwardAuth": {"address": f"{urls['auth']}/verify?a=b", **door}} for name, door in DOORS.items()}
    middlewares["closed"] = {"forwardAuth": {"address": urls["closed"]}}
    middlewares["broken"] = {"forwardAuth": {"address": "nowhere"}}
    return {"http": {**document["http"], "middlewares": middlewares}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared():
    points = {
        "web": {},
        "trusted": {"forwardedHeaders": {"insecure": True}},
        "keeping": {"forwardedHeaders": {"connection": ["X-Auth-User", "X-Own"]}},
    }
    async with staged(dynamic, {"entryPoints": points}, ["a", "auth"]) as stage:
        yield stage


@pytest.fixture
def stage(shared):
    shared.reset()
    shared["auth"].answers(answer(200, {"X-Auth-User": "bob"}))
    return shared


def get(name, *lines, method="GET", target="/x?y=1", body=b""):
    length = [f"Content-Length: {len(body)}"] if body else []
    return head(f"{method} {target} HTTP/1.1", f"Host: {name}.test", *lines, *length, body=body)


@pytest.mark.spec("M-3")
async def test_who_may_come_in_is_who_the_server_says_and_not_who_the_client_says(stage):
    spoofed = ("X-Auth-User: eve", "X-Missing: eve", "X_Auth_User: eve", "X.Auth.User: eve")
    seen = await stage.seen(get("plain", *spoofed))

    assert [value for name, value in seen.headers if b"uth" in name or b"issing" in name] == [b"bob"]
    assert seen.target == b"/x?y=1"
    asked = stage["auth"].last
    assert (asked.method, asked.target, asked.get("host")) == (b"GET", b"/verify?a=b", stage.urls["auth"][7:])
    assert (asked.get("x-forwarded-uri"), asked.get("user-agent")) == ("/x?y=1", None)


@pytest.mark.spec("M-4")
async def test_a_redirect_of_the_server_is_the_clients_with_an_absolute_location(stage):
    stage["auth"].answers(answer(302, {"Location": "/login", "Set-Cookie": "a=b"}, b"log in"))
    found = await stage.ask(get("plain"))

    assert (found.status, found.body) == (302, b"log in")
    assert (found.get("location"), found.get("set-cookie")) == (f"{stage.urls['auth']}/login", "a=b")
    assert stage["a"].requests == []


@pytest.mark.spec("M-5")
async def test_or_with_the_location_as_it_is(stage):
    stage["auth"].answers(answer(302, {"Location": "/login", "Set-Cookie": "a=b"}))

    assert (await stage.ask(get("location"))).get("location") == "/login"


@pytest.mark.spec("M-90")
async def test_a_body_reaches_both_servers_or_none(stage):
    assert (await stage.seen(get("body", method="POST", body=b"12345"))).body == b"12345"
    assert stage["auth"].last.body == b"12345"

    found = await stage.ask(get("body", method="POST", body=b"123456"))
    assert (found.status, found.body) == (401, b"")
    chunks = b"6\r\n123456\r\n0\r\n\r\n"
    found = await stage.ask(get("body", "Transfer-Encoding: chunked", method="POST") + chunks)
    assert (found.status, found.body) == (401, b"")
    assert len(stage["auth"].requests) == len(stage["a"].requests) == 1


async def test_a_chunked_body_reaches_both_as_it_came(stage):
    chunks = b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n"
    seen = await stage.seen(get("body", "Transfer-Encoding: chunked", method="POST") + chunks)

    for message in (seen, stage["auth"].last):
        assert (message.body, message.get("transfer-encoding")) == (b"12345", "chunked")


@pytest.mark.spec("M-91")
@pytest.mark.parametrize("status", [200, 403])
async def test_an_answer_that_is_too_large_is_a_401(stage, status):
    for script in (answer(status, {}, b"x" * 100), chunked([b"x" * 40, b"x" * 60], status=status)):
        stage["auth"].answers(script)
        found = await stage.ask(get("small"))
        assert (found.status, found.body) == (401, b"")
    assert stage["a"].requests == []


@pytest.mark.spec("M-92")
async def test_a_server_that_is_down_or_silent_lets_nobody_in(stage):
    found = await stage.ask(get("closed"))
    assert (found.status, found.body) == (500, b"")

    stage["auth"].answers([asyncio.Event()])
    found = await stage.ask(get("quick"))
    assert (found.status, found.body) == (500, b"")
    assert stage["a"].requests == []


HOSTILE = {
    "resets": [RESET],
    "closes": [CLOSE],
    "closes midway": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", CLOSE],
    "resets midway": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", RESET],
    "cuts chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", CLOSE],
    "sends no chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLOSE],
    "sends NUL": [b"HTTP/1.1 200 OK\r\nX-Auth-User: a\0b\r\n\r\n", CLOSE],
    "has two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", CLOSE],
    "has an odd status": [b"HTTP/1.1 2000 OK\r\n\r\n", CLOSE],
    "upgrades": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"],
    "speaks SSH": [b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE],
    "has a huge head": [b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200_000 + b"\r\n", CLOSE],
    "leads nowhere": answer(302, {"Location": "http://[::1"}),
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
async def test_a_server_that_does_not_answer_as_it_should_lets_nobody_in(stage, script):
    stage["auth"].answers(script)
    found = await stage.ask(get("plain"))

    assert (found.status, found.body) == (500, b"")
    assert stage["a"].requests == []


async def test_a_slow_yes_is_cut_off_in_the_middle(stage):
    stage["auth"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow", asyncio.Event()])

    assert (await stage.ask(get("quick"))).status == 500
    assert stage["a"].requests == []


async def test_a_huge_no_streams_and_a_huge_yes_is_not_read(stage):
    size = 3 * 1024 * 1024
    stage["auth"].answers(answer(403, {}, b"x" * size))
    found = await stage.ask(get("plain"))
    assert (found.status, len(found.body)) == (403, size)

    stage["auth"].answers(chunked([b"x" * 65536] * 400, {"X-Auth-User": "bob"}))
    assert (await stage.seen(get("plain"))).get("x-auth-user") == "bob"


async def test_connections_to_the_server_are_kept(stage):
    before = stage["auth"].connections
    for status in (200, 403, 200, 302):
        stage["auth"].answers(answer(status, {}, b"x" * 3000))
        await stage.ask(get("plain"))

    assert stage["auth"].connections - before <= 1


@pytest.mark.spec("M-93")
async def test_a_401_becomes_a_redirect_where_there_is_a_place_to_sign_in(stage):
    stage["auth"].answers(answer(401, {}, b"who are you"), answer(403, {}, b"no"))
    found = await stage.ask(get("signin"))
    assert (found.status, found.get("location"), found.body) == (302, "http://login/", b"")
    found = await stage.ask(get("signin"))
    assert (found.status, found.body) == (403, b"no")


@pytest.mark.spec("M-94")
async def test_who_is_trusted_may_say_what_was_asked_for(stage):
    claims = ("X-Forwarded-Uri: /evil", "X-Forwarded-For: 9.9.9.9")
    await stage.ask(get("trusting", *claims), "trusted")
    asked = stage["auth"].last
    assert (asked.get("x-forwarded-uri"), asked.get("x-forwarded-for")) == ("/evil", "9.9.9.9, 127.0.0.1")

    await stage.ask(get("doubting", *claims), "trusted")
    asked = stage["auth"].last
    assert (asked.get("x-forwarded-uri"), asked.get("x-forwarded-for")) == ("/x?y=1", "127.0.0.1")


@pytest.mark.parametrize("name", ["trusting", "doubting", "location"])
async def test_who_is_not_trusted_tells_the_server_nothing_of_itself(stage, name):
    words = ("For", "Uri", "Method", "Host", "Proto", "Port", "Server", "Prefix", "Tls-Client-Cert", "Tls-Client-Cert-Info")
    lines = [f"X-Forwarded-{word}: evil" for word in words]
    lines += [line.replace("-", "_") for line in lines] + ["X_Real_Ip: evil", "X-Real-Ip: evil"]
    await stage.ask(get(name, *lines))

    assert [line for line in stage["auth"].last.headers if b"evil" in line[1]] == []


@pytest.mark.spec("M-95")
async def test_cookies_of_the_server_reach_the_client(stage):
    stage["auth"].answers(answer(200, {"Set-Cookie": "sess=1"}))
    stage["a"].answers(answer(200, {"Set-Cookie": ["sess=b", "k=3"]}, b"x"))

    assert (await stage.ask(get("cookies"))).get_all("set-cookie") == ["k=3", "sess=1"]


async def test_connection_neither_drops_nor_brings_a_managed_header(stage):
    for name in ("plain", "regex"):
        lines = ("Connection: X-Auth-User, X-Own, keep-alive", "X-Auth-User: eve", "X-Own: 1")
        seen = await stage.seen(get(name, *lines), "keeping")
        assert (seen.get_all("x-auth-user"), seen.get("x-own")) == (["bob"], None)


async def test_a_trailer_says_nothing_that_the_server_should_say(stage):
    body = b"2\r\nhi\r\n0\r\nX-Auth-User: root\r\nx_missing: 1\r\nX-Sum: 1\r\n\r\n"
    seen = await stage.seen(head("POST / HTTP/1.1", "Host: plain.test", "Transfer-Encoding: chunked", body=body))

    assert (seen.get("x-auth-user"), seen.trailers) == ("bob", [(b"X-Sum", b"1")])


async def test_a_websocket_passes_and_the_question_is_a_plain_get(stage):
    stage["a"].answers(upgrade("websocket"))
    async with stage.connect() as client:
        lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Version: 13")
        assert (await client.ask(get("plain", *lines))).status == 101
        await client.send(b"ping")
        assert await client.exactly(4) == b"ping"

    asked = stage["auth"].last
    assert (asked.get("upgrade"), asked.get("connection")) == (None, None)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"], ids=["head", "body"])
async def test_a_client_that_leaves_takes_its_question_with_it(stage, begun):
    stage["auth"].answers([begun, PIPE])
    async with stage.connect() as client:
        await client.send(get("plain"))
        await stage["auth"].received(1)
        open_before = stage["auth"].open
    await eventually(lambda: stage["auth"].open < open_before, "the connection to the authentication server is closed")
    assert stage["a"].requests == []


async def test_a_door_that_cannot_be_built_stays_shut(stage):
    assert (await stage.ask(get("broken"))).status == 404


# in a worker of our own, where a plugin can look on


@frozen
class WatchConfig:
    word: str = ""


class Watch:
    """Notes who asked, when it is over."""

    name: ClassVar[str] = "watch"
    Config: ClassVar[type] = WatchConfig
    seen: ClassVar[list] = []

    def __init__(self, config, context):
        pass

    def __call__(self, request, call_next):
        exchange = request.exchange
        request.on_done(lambda: self.seen.append((exchange.status, exchange.user, exchange.peer, exchange.attempts)))
        return call_next(request)


class Plugin:
    @hookimpl
    def pointsman_middlewares(self):
        return [Watch, ForwardAuth]


async def worked(worker, service, **door):
    document = {
        "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "s", "middlewares": ["watch", "door"] if door else []}},
        "services": {"s": {"loadBalancer": {"servers": [{"url": service}]}}},
        "middlewares": {"watch": {"watch": {"word": "x"}}, **({"door": {"forwardAuth": door}} if door else {})},
    }
    tree, problems = merge({"file": {"http": document}})
    assert not problems
    assert not [problem for problem in await worker.apply(tree) if not problem.warning]


@pytest_asyncio.fixture(loop_scope="module")
async def worker():
    listening = socket.create_server(("127.0.0.1", 0))
    registry = load_registry(Plugin(), entry_point_plugins=False)
    worker = Worker(Static(entry_points={"web": EntryPoint(":80")}), registry, {"web": listening})
    await worker.serve()
    worker.port = listening.getsockname()[1]
    yield worker
    for entry in worker.entries.values():
        entry.cut()
    await worker.stop()


@pytest.mark.spec("M-96")
async def test_the_user_is_known_on_a_yes_and_on_a_no(worker):
    async with upstream(answer(200, {}, b"x")) as service, upstream() as auth:
        await worked(worker, service.url, address=auth.url, headerField="X-User")
        auth.answers(answer(200, {"X-User": "bob"}), answer(403, {"X-User": "eve"}))
        Watch.seen.clear()
        async with connect(worker.port) as client:
            assert [(await client.get()).status for _ in range(2)] == [200, 403]

        assert Watch.seen == [(200, b"bob", service.url, 1), (403, b"eve", "", 0)]
        assert service.last.get("x-user") is None


async def test_connections_are_closed_when_nobody_asks_there_any_more(worker):
    async with upstream(answer(200, {}, b"x")) as service, upstream(answer()) as auth, connect(worker.port) as client:
        await worked(worker, service.url, address=auth.url)
        assert (await client.get()).status == 200
        await worked(worker, service.url, address=auth.url, headerField="X-User")
        assert (await client.get()).status == 200
        assert (auth.connections, auth.open) == (1, 1)
        await worked(worker, service.url)
        assert (await client.get()).status == 200
        await eventually(lambda: auth.open == 0, "nothing is open to the authentication server")


async def test_the_server_is_reached_over_tls(worker):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    mine = AUTHORITY.issue_cert("gateway.test")
    pair = {"cert": mine.cert_chain_pems[0].bytes().decode(), "key": mine.private_key_pem.bytes().decode()}
    tls = {"ca": AUTHORITY.cert_pem.bytes().decode(), **pair}
    async with upstream(answer(204)) as service, upstream(answer(), tls=context) as auth, connect(worker.port) as client:
        await worked(worker, service.url, address=auth.url, tls=tls)
        assert (await client.get()).status == 204
        await worked(worker, service.url, address=auth.url, tls={"insecureSkipVerify": True, **pair})
        assert (await client.get()).status == 204
        for wrong in (pair, {"ca": tls["ca"]}):
            await worked(worker, service.url, address=auth.url, tls=wrong)
            assert (await client.get()).status == 500
