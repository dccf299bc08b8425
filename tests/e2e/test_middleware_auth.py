"""Who gives a name and a password is let in, by whichever worker (middlewares.md §3.2, §3.8)."""

import asyncio
import base64
import hashlib
import os
import re

import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.client import connect as connect_websocket
from websockets.asyncio.server import serve

from pointsman.testing import connect, eventually

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHA = "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="  # test
APR1 = "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"  # test
BCRYPT = "$2y$05$ethQB7Wl0XURYnCCpyjSy.O/t4WEibmwi8yMg6/p2lCHfx/5A9OXS"  # test


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def dynamic(urls, websocket, folder):
    found = routed(
        {
            "basic": {"rule": "Host(`basic.test`)", "middlewares": ["basic"]},
            "told": {"rule": "Host(`told.test`)", "middlewares": ["told"]},
            "file": {"rule": "Host(`file.test`)", "middlewares": ["file"]},
            "lost": {"rule": "Host(`lost.test`)", "middlewares": ["lost"]},
            "digest": {"rule": "Host(`digest.test`)", "middlewares": ["digest"]},
            "stripped": {"rule": "Host(`stripped.test`)", "middlewares": ["strip", "digest"]},
            "ws": {"rule": "Host(`ws.test`)", "middlewares": ["told"], "service": "ws"},
        },
        urls,
        ws=balancer(websocket),
    )
    found["http"]["middlewares"] = {
        "basic": {"basicAuth": {"users": [f"ann:{BCRYPT}", f"bob:{APR1}"], "realm": 'a "shop"'}},
        "told": {"basicAuth": {"users": [f"ann:{SHA}"], "headerField": "X-WebAuth-User", "removeHeader": True}},
        "file": {"basicAuth": {"usersFile": str(folder / "users")}},
        "lost": {"basicAuth": {"usersFile": str(folder / "nowhere")}},
        "strip": {"stripPrefix": {"prefixes": ["/api"]}},
        "digest": {"digestAuth": {"users": [f"ann:traefik:{md5('ann:traefik:test')}"], "headerField": "X-WebAuth-User"}},
    }
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("auth")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(folder):
    write(folder, f"# staff\n\nann:{SHA}\n")

    async def echo(socket):
        await socket.send(socket.request.headers["X-WebAuth-User"])
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with staged(lambda urls: dynamic(urls, url, folder), None, ["a"], workers=2) as stage:
            yield stage


def write(folder, text):
    new = folder / "new"
    new.write_text(text)
    os.replace(new, folder / "users")


async def login(stage, host, name, password, **more):
    return await stage.get("/", host, authorization=basic(name, password), **more)


async def test_who_knows_the_password_comes_in_and_who_does_not_is_asked_for_it(stage):
    for name in ("ann", "bob"):
        assert (await login(stage, "basic.test", name, "test")).body == b"a"
        assert (await login(stage, "basic.test", name, "toast")).status == 401
    refused = await stage.get("/", "basic.test")

    assert (refused.status, refused.body) == (401, b"401 Unauthorized\n")
    assert refused.get_all("www-authenticate") == [r'Basic realm="a \"shop\""']


@pytest.mark.spec("M-106")
async def test_the_server_gets_the_user_in_the_spelling_that_was_configured(stage):
    async with stage.connect() as client:
        request = [
            "GET / HTTP/1.1",
            "Host: told.test",
            f"Authorization: {basic('ann', 'test')}",
            "x-webauth-user: root",
            "X_WebAuth_User: root",
            "X.WebAuth-User: root",
        ]
        assert (await client.ask(head(*request))).status == 200
        seen = stage["a"].last
        assert [line for line in seen.headers if b"webauth" in line[0].lower()] == [(b"X-WebAuth-User", b"ann")]
        assert seen.get("authorization") is None
        post = head("POST / HTTP/1.1", *request[1:], "Content-Length: 2", body=b"hi")
        assert (await client.ask(post)).status == 200
        assert (b"X-WebAuth-User", b"ann") in stage["a"].last.headers


async def test_neither_a_trailer_nor_further_credentials_say_who_it_is(stage):
    claims = b"X-WebAuth-User: root\r\nx_webauth.user: root\r\nX-Sum: 1\r\n"
    for host in ("told.test", "basic.test"):
        request = ["POST / HTTP/1.1", f"Host: {host}", "Transfer-Encoding: chunked"]
        request += [f"Authorization: {basic('ann', 'test')}", f"Authorization: {basic('root', '')}"]
        seen = await stage.seen(head(*request, body=b"2\r\nhi\r\n0\r\n" + claims + b"\r\n"))

        assert seen.body == b"hi"
        assert seen.get_all("authorization") == ([basic("ann", "test")] if host == "basic.test" else [])
        if host == "told.test":
            assert seen.trailers == [(b"X-Sum", b"1")]


async def test_a_body_is_not_waited_for(stage):
    async with stage.connect() as client:
        answer = await client.ask(
            head("POST / HTTP/1.1", "Host: told.test", "Expect: 100-continue", "Content-Length: 1000000")
        )

    assert (answer.status, answer.interim) == (401, [])


async def test_names_that_are_none_break_nothing(stage):
    before = len(stage["a"].requests)
    for name in (b"a\r\nX-Evil: 1", b"\xff\xfe", b"\0", b"a" * 3000):
        value = base64.b64encode(name + b":test").decode()
        assert (await stage.get("/", "told.test", authorization=f"Basic {value}")).status == 401
    assert len(stage["a"].requests) == before


async def test_a_hundred_at_once_are_all_answered(stage):
    async def one(number):
        return (await login(stage, "basic.test", "ann", "test" if number % 2 else f"guess {number % 8}")).status

    statuses = await asyncio.gather(*map(one, range(100)))

    assert statuses == [200 if number % 2 else 401 for number in range(100)]


async def test_a_file_of_users_is_followed_and_a_broken_one_changes_nothing(stage, folder):
    assert (await login(stage, "file.test", "ann", "test")).status == 200

    write(folder, f"bob:{SHA}\n")
    await eventually(lambda: allowed(stage, "bob"))
    await eventually(lambda: refused(stage, "ann"))

    write(folder, "bob:SECRET:x\n")
    await eventually(lambda: "what was read before stays in force" in stage.gateway.log())
    assert await allowed(stage, "bob")
    assert "SECRET" not in stage.gateway.log()

    write(folder, f"ann:{SHA}\n")
    await eventually(lambda: allowed(stage, "ann"))


async def allowed(stage, name):
    return {(await login(stage, "file.test", name, "test")).status for _ in range(6)} == {200}


async def refused(stage, name):
    return {(await login(stage, "file.test", name, "test")).status for _ in range(6)} == {401}


async def test_a_file_that_is_not_there_closes_the_router_and_no_other(stage):
    assert (await login(stage, "lost.test", "ann", "test")).status == 404
    assert "usersFile: the file" in stage.gateway.log()
    assert SHA not in stage.gateway.log()


async def test_a_websocket_passes_with_credentials_only(stage):
    url = f"ws://ws.test:{stage.gateway.port('web')}/"
    address = {"host": "127.0.0.1", "port": stage.gateway.port("web")}
    async with connect_websocket(
        url, additional_headers={"Authorization": basic("ann", "test")}, proxy=None, **address
    ) as socket:
        assert await socket.recv() == "ann"
        await socket.send("hello")
        assert await socket.recv() == "hello"
    with pytest.raises(websockets.InvalidStatus, match="401"):
        async with connect_websocket(url, proxy=None, **address):
            pass


# digestAuth


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def answer_to(refused, uri, nc="00000001", password="test"):
    assert refused.status == 401
    asked = dict(re.findall(r'(\w+)="([^"]*)"', refused.get("www-authenticate")))
    hashed = md5(f"ann:traefik:{password}")
    response = md5(f"{hashed}:{asked['nonce']}:{nc}:c:auth:{md5('GET:' + uri)}")
    return (
        f'Digest username="ann", realm="traefik", nonce="{asked["nonce"]}", uri="{uri}", opaque="{asked["opaque"]}", '
        f'algorithm=MD5, qop=auth, nc={nc}, cnonce="c", response="{response}"'
    )


@pytest.mark.spec("M-31")
async def test_counts_rise_whichever_worker_a_connection_meets(stage):
    asked = await stage.get("/x?y=1", "digest.test")
    for number in range(1, 12):
        answer = await stage.get("/x?y=1", "digest.test", authorization=answer_to(asked, "/x?y=1", f"{number:08x}"))
        assert answer.status == 200, number
        assert (b"X-WebAuth-User", b"ann") in stage["a"].last.headers
    again = await stage.get("/x?y=1", "digest.test", authorization=answer_to(asked, "/x?y=1", "0000000b"))
    assert "stale" not in again.get("www-authenticate")
    assert (await stage.get("/x?y=1", "digest.test", authorization=answer_to(asked, "/x?y=1", "00000020"))).status == 200
    late = await stage.get("/x?y=1", "digest.test", authorization=answer_to(asked, "/x?y=1", "00000003"))
    assert (late.status, 'stale="true"' in late.get("www-authenticate")) == (401, True)


@pytest.mark.spec("M-107")
async def test_the_uri_is_the_one_that_is_left_at_this_point_of_the_chain(stage):
    asked = await stage.get("/api/x", "stripped.test")

    assert (await stage.get("/api/x", "stripped.test", authorization=answer_to(asked, "/api/x"))).status == 401
    assert (await stage.get("/api/x", "stripped.test", authorization=answer_to(asked, "/x"))).status == 200
    assert stage["a"].last.target == b"/x"


async def test_a_client_that_speaks_digest_by_itself_comes_in(stage):
    port = stage.gateway.port("web")
    async with connect(port) as client:
        asked = await client.get("/a%2fb?q=%41", "digest.test")
        answer = await client.get("/a%2fb?q=%41", "digest.test", authorization=answer_to(asked, "/a%2fb?q=%41"))

    assert answer.status == 200
