"""What pointsman-etcd makes of its options, and of servers that are no etcd."""

import asyncio
import json
from base64 import b64encode

import pytest

from pointsman.errors import ConfigError, Problem
from pointsman.testing import CLOSE, FakeContext, answer, build, chunked, eventually, upstream
from pointsman_etcd import EtcdProvider, client
from pointsman_etcd.client import EtcdError
from pointsman_etcd.endpoints import endpoint_url


class Refusing(FakeContext):
    def from_keys(self, pairs):
        if "nope" in pairs:
            raise ConfigError(Problem("http.routers.r", "unknown key 'nope'"))
        return {}


@pytest.mark.parametrize(
    ("written", "tls", "url"),
    [
        ("127.0.0.1:2379", False, "http://127.0.0.1:2379"),
        ("etcd.example", True, "https://etcd.example:2379"),
        (" https://etcd.example:1/ ", False, "https://etcd.example:1"),
        ("[::1]:9", False, "http://[::1]:9"),
        ("HTTP://a", False, "http://a:2379"),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(written, tls, url):
    assert endpoint_url(written, tls, "here") == url


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"endpoints": []}, r"providers\.etcd\.endpoints: names no endpoint"),
        ({"endpoints": ["a:1", "a:x"]}, r"providers\.etcd\.endpoints\[1\]: is no endpoint"),
        ({"endpoints": ["unix:///run/etcd"]}, r"endpoints\[0\]: is no endpoint: write it as host:port"),
        ({"endpoints": ["a:1/v3"]}, r"endpoints\[0\]: is no endpoint: write it as host:port"),
        ({"endpoints": ["https://me:s3cret@a:1"]}, r"endpoints\[0\]: is no endpoint: it holds a user"),
        ({"endpoints": ["http://a:1"], "tls": {"insecureSkipVerify": True}}, r"is http:// although there is a 'tls' block"),
        ({"rootKey": "/"}, r"providers\.etcd\.rootKey: names no key"),
        ({"username": "u"}, r"providers\.etcd: has one of 'username' and 'password'"),
        ({"tls": {"cert": "/nowhere.pem"}}, r"providers\.etcd\.tls: both TLS cert and key must be defined"),
    ],
)
def test_options_that_cannot_be_used_say_where_and_what_to_write(options, problem):
    with pytest.raises(ConfigError, match=problem) as refused:
        build(EtcdProvider, options, FakeContext("etcd"))
    assert "s3cret" not in str(refused.value)


def encoded(text):
    return b64encode(text.encode()).decode()


def listing(*keys):
    kvs = [{"key": encoded(f"traefik/{key}"), "value": encoded("x")} for key in keys]
    return answer(200, {}, json.dumps({"header": {"revision": "7"}, "kvs": kvs}).encode())


CREATED = b'{"result":{"header":{"revision":"7"},"created":true}}\n'
EVENT = b'{"result":{"events":[{"kv":{"key":"YQ==","mod_revision":"8"}}]}}\n'


def serving(listings, watch):
    """A server that gives these listings in turn, and each watch the same."""
    rest = list(listings)

    def script(request):
        if b"/v3/watch" in request.raw.split(b"\r\n")[0]:
            return watch
        return listing() if b"count_only" in request.raw else rest.pop(0) if len(rest) > 1 else rest[0]

    return script


SILENCE = 5.0


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(client, "MAX_BYTES", 2000)
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(answer(200, {}, b"<html>"), "gave an answer that is no JSON", id="html"),
        pytest.param(answer(200, {}, b"[" * 1_900), "gave an answer that is no JSON", id="deep"),
        pytest.param(answer(200, {}, b"[]"), "gave an answer that etcd does not give", id="list"),
        pytest.param(answer(200, {}, b"{}"), "gave an answer that etcd does not give", id="empty"),
        pytest.param(
            answer(200, {}, b'{"header":{"revision":"1"},"kvs":[{"key":"%"}]}'),
            "gave an answer that etcd does not give",
            id="key",
        ),
        pytest.param(
            answer(200, {}, b'{"header":{"revision":"1"},"kvs":7}'), "gave an answer that etcd does not give", id="kvs"
        ),
        pytest.param(answer(404), "its JSON gateway is off", id="404"),
        pytest.param(answer(503, {}, b"busy"), "answered 503", id="503"),
        pytest.param(answer(500, {}, b'{"error":"etcdserver: no leader","code":14}'), "etcdserver: no leader", id="500"),
        pytest.param(answer(302, {"Location": "http://127.0.0.1:1/"}), "answered 302", id="302"),
        pytest.param([b"SSH-2.0-x\r\n", CLOSE], "SSH", id="ssh"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", CLOSE], "broke off", id="half"),
        pytest.param(answer(200, {}, b" " * 3_000), "gave an answer of more than 2000 bytes", id="huge"),
        pytest.param(answer(500, {}, b" " * 3_000), "gave an answer of more than 2000 bytes", id="huge-error"),
        pytest.param([SILENCE], "did not answer", id="silent"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", SILENCE], "did not answer within 0.2 s", id="slow"),
    ],
)
async def test_what_is_no_answer_of_etcd_fails_in_a_line(script, words, hurried, monkeypatch):
    if SILENCE in script:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
    async with upstream(script) as server:
        provider = build(EtcdProvider, {"endpoints": [server.url]}, Refusing())
        with pytest.raises(EtcdError, match=words) as failed:
            await asyncio.wait_for(provider.provide(lambda document, problems=(): None), 10)
    assert "\n" not in str(failed.value)
    assert len(str(failed.value)) < 400


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        (chunked([CREATED]), "ended the watch"),
        (chunked([CREATED, b"<html>\n"]), "gave a watch that etcd does not give"),
        (chunked([CREATED, b"[1]\n"]), "gave an answer that etcd does not give"),
        (chunked([CREATED, b"x" * 3_000]), "a line has more than 2000 bytes"),
        (chunked([b'{"error":{"message":"etcdserver: no leader","grpc_code":14}}\n']), "etcdserver: no leader"),
        (chunked([b'{"result":{"canceled":true,"cancel_reason":"too bad"}}\n']), "too bad"),
        (chunked([b'{"result":{"canceled":true,"cancel_reason":"x: invalid auth token"}}\n']), "lets in users only"),
        (answer(403, {}, b'{"error":"etcdserver: permission denied"}'), "permission denied"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n", CREATED[:5], CLOSE], "broke off"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CREATED], "chunk size"),
        ([SILENCE], "did not answer"),
    ],
    ids=["end", "html", "list", "endless", "error", "cancelled", "token", "refused", "half", "chunks", "silent"],
)
async def test_a_watch_that_fails_ends_in_a_line_after_what_was_read(watch, words, hurried, monkeypatch):
    if SILENCE in watch:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 1.0)  # the list comes before
    messages = []
    async with upstream(serving([listing("a")], watch)) as server:
        provider = build(EtcdProvider, {"endpoints": [server.url]}, Refusing())
        with pytest.raises(EtcdError, match=words) as failed:
            await asyncio.wait_for(provider.provide(lambda document, problems=(): messages.append(document)), 10)
    assert messages == [{"http": {"routers": {}}}]
    assert "\n" not in str(failed.value)


async def test_keys_that_cannot_be_used_are_told_and_leave_what_was_said_before(hurried):
    messages = []
    async with upstream(serving([listing("nope"), listing("a")], chunked([CREATED, EVENT, asyncio.Event()]))) as server:
        provider = build(EtcdProvider, {"endpoints": [server.url]}, Refusing())
        task = asyncio.create_task(
            provider.provide(lambda document, problems=(): messages.append((document, [str(each) for each in problems])))
        )
        await eventually(lambda: len(messages) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert messages == [({}, ["http.routers.r: unknown key 'nope'"]), ({"http": {"routers": {}}}, [])]


async def test_an_etcd_that_tells_nothing_is_looked_at_now_and_then(hurried, monkeypatch):
    monkeypatch.setattr(client, "SLOW_LOOK_SECONDS", 0.05)
    messages = []
    async with upstream(serving([listing(), listing("nope")], chunked([CREATED, asyncio.Event()]))) as server:
        provider = build(EtcdProvider, {"endpoints": [server.url]}, Refusing())
        task = asyncio.create_task(provider.provide(lambda *message: messages.append(message)))
        await eventually(lambda: len(messages) == 2)
        await server.received(8)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(messages) == 2, "what was told once is not told again"
