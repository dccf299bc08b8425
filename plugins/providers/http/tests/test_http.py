"""The provider against real servers: what it asks, what it makes of answers, and how it fails."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

from pointsman.errors import ConfigError, Problem
from pointsman.testing import FakeContext, answer, build, chunked, eventually, refusing
from pointsman.testing import upstream as an_upstream
from pointsman_http import Http

ROUTERS = {"http": {"routers": {"r": {"rule": "Host(`r.test`)", "service": "s@file"}}}}
YAML = b"http:\n  routers:\n    r: {rule: 'Host(`r.test`)', service: s@file}\n"
FAST = {"pollInterval": "5ms"}


class Said(list):
    """What was published, as pairs."""

    def __call__(self, document, problems=()):
        self.append((document, [str(problem) for problem in problems]))

    async def more(self):
        """Wait for two more polls, so that one has begun since, and give the last word."""
        until = len(self) + 2
        await eventually(lambda: len(self) >= until, "two more polls")
        return self[-1]


@asynccontextmanager
async def polling(options, context=None):
    provider, said = build(Http, {**FAST, **options}, context or FakeContext("http")), Said()
    task = asyncio.create_task(provider.provide(said))
    try:
        yield provider, said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def failure(endpoint, **options):
    """How one `provide` ends."""
    provider = build(Http, {**FAST, "endpoint": endpoint, **options}, FakeContext("http"))
    with pytest.raises(ConnectionError) as caught:
        await asyncio.wait_for(provider.provide(Said()), 5)
    return str(caught.value)


@pytest.mark.spec("P-19")
async def test_yaml_and_json_of_the_same_content_are_the_same_document(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": f"{upstream.url}/x"}) as (_, said):
        assert await said.more() == (ROUTERS, [])
        upstream.answers(answer(200, {}, json.dumps(ROUTERS).encode()))
        assert await said.more() == (ROUTERS, [])
        assert upstream.connections == 1


async def test_a_body_is_read_once_until_another_one_comes(upstream):
    class Counting(FakeContext):
        read = 0

        def from_yaml(self, data, name):
            self.read += 1
            return super().from_yaml(data, name)

    context = Counting("http")
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": upstream.url}, context) as (_, said):
        await said.more()
        await said.more()
        assert context.read == 1


@pytest.mark.spec("P-22")
async def test_headers_are_sent_and_host_says_which_host_is_asked_for(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": upstream.url, "headers": {"Host": "cfg.local", "X-Token": "s3cret"}}) as (_, said):
        await said.more()
        assert upstream.last.get_all("host") == ["cfg.local"]
        assert upstream.last.get_all("x-token") == ["s3cret"]
        assert upstream.last.get_all("accept-encoding") == ["identity"]


@pytest.mark.spec("P-21")
async def test_what_was_good_stays_while_a_body_is_bad(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": f"{upstream.url}/cfg?token=s3cret"}) as (_, said):
        await said.more()
        upstream.answers(answer(200, {}, b"http: [}"))
        document, problems = await said.more()
        assert (document, len(problems)) == (ROUTERS, 1)
        assert problems[0].startswith(f"{upstream.url}/cfg:1:8: ")
        upstream.answers(answer(200, {}, b"\xff\xfe"))
        document, problems = await said.more()
        assert (document, problems) == (ROUTERS, [f"{upstream.url}/cfg: is not UTF-8 text: invalid start byte at byte 0"])
        upstream.answers(answer(200, {}, b"http: {}"))
        assert await said.more() == ({"http": {}}, [])


async def test_an_empty_body_says_that_there_is_nothing(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": upstream.url}) as (_, said):
        await said.more()
        upstream.answers(answer(200))
        assert await said.more() == ({}, [])


async def test_what_the_kernel_refuses_is_told_and_changes_nothing(upstream):
    context = FakeContext("http", problems=[Problem("http.routers.r", "unknown key 'foo'")])
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": upstream.url}, context) as (_, said):
        assert await said.more() == ({}, ["http.routers.r: unknown key 'foo'"])


async def test_a_refresh_polls_at_once(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with polling({"endpoint": upstream.url, "pollInterval": "1h"}) as (provider, said):
        await eventually(lambda: said, "the first poll")
        provider.refresh()
        await upstream.received(2)


@pytest.mark.spec("P-20")
@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        (answer(500), {}, "answered 500"),
        (answer(204), {}, "answered 204"),
        (answer(304), {}, "answered 304"),
        (answer(200, {}, b"x" * 11), {"maxResponseBodySize": 10}, "the answer is longer than 10 bytes"),
        (answer(200, {}, b"x"), {"maxResponseBodySize": 0}, "the answer is longer than 0 bytes"),
        (chunked([b"x" * 60_000] * 40), {"maxResponseBodySize": 100_000}, "the answer is longer than 100000 bytes"),
        (answer(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), {}, "in the encoding gzip"),
        ([asyncio.Event()], {"pollTimeout": "50ms"}, "no whole answer within 0.05 s"),
        (chunked([b"http:", asyncio.Event()]), {"pollTimeout": "50ms"}, "no whole answer within 0.05 s"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhttp", 0.0], {"pollTimeout": "50ms"}, "no whole answer"),
        ([b"\x00\x01\x02\r\n\r\n"], {}, "answered what is no HTTP"),
        (answer(302, {"Location": "/cfg"}), {}, "redirects more than 10 times"),
        (answer(302, {"Location": "ftp://a/cfg"}), {}, "redirects to what is no URL"),
        (answer(302, {"Location": "http://[a"}), {}, "redirects to what is no URL"),
        (answer(302), {}, "answered 302"),
    ],
    ids=[
        "500", "204", "304", "too-long", "any-is-too-long", "endless", "encoded", "silent", "stalls", "half", "garbage",
        "in-circles", "to-ftp", "to-nonsense", "to-nowhere",
    ],
)  # fmt: skip
async def test_whatever_is_no_whole_200_is_an_error_that_names_the_endpoint(upstream, script, options, said):
    upstream.answers(script)
    told = await failure(f"http://me:s3cret@127.0.0.1:{upstream.port}/cfg?token=s3cret", **options)

    assert told.startswith(f"{upstream.url}/cfg: ")
    assert said in told
    assert "s3cret" not in told


async def test_an_endpoint_that_is_away_is_an_error():
    with refusing() as port:
        assert "Connect" in await failure(f"http://127.0.0.1:{port}/")


async def test_redirections_lead_elsewhere_without_headers_and_password(upstream):
    upstream.answers(answer(200, {}, YAML))
    async with an_upstream() as first:
        first.answers(answer(307, {"Location": "/b"}), answer(301, {"Location": f"{upstream.url}/c"}))
        endpoint = f"http://me:s3cret@127.0.0.1:{first.port}/a"
        async with polling({"endpoint": endpoint, "headers": {"X-Token": "s3cret"}, "pollInterval": "1h"}) as (_, said):
            await eventually(lambda: said, "the first poll")

    assert [request.target for request in first.requests] == [b"/a", b"/b"]
    assert [request.get("x-token") for request in first.requests] == ["s3cret", "s3cret"]
    assert first.requests[0].get("authorization") == "Basic bWU6czNjcmV0"
    assert (upstream.last.target, upstream.last.get("x-token"), upstream.last.get("authorization")) == (b"/c", None, None)


async def test_tls_is_verified_as_the_options_say(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("me.test")
    pem = authority.cert_pem.bytes().decode()
    pair = {"cert": mine.cert_chain_pems[0].bytes().decode(), "key": mine.private_key_pem.bytes().decode()}
    async with an_upstream(tls=context) as server:
        server.answers(answer(200, {}, YAML))
        async with polling({"endpoint": server.url, "tls": {"ca": pem, **pair}}) as (_, said):
            assert await said.more() == (ROUTERS, [])
        async with polling({"endpoint": server.url, "tls": {"insecureSkipVerify": True, **pair}}) as (_, said):
            assert await said.more() == (ROUTERS, [])
        assert "certificate is not trusted" in await failure(server.url)

        server.answers(answer(302, {"Location": "http://127.0.0.1/"}))
        assert "from https to http" in await failure(server.url, tls={"ca": pem, **pair})


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "providers.http.endpoint"),
        ({"endpoint": "cfg.example/x"}, "providers.http.endpoint"),
        ({"endpoint": "ftp://cfg.example"}, "providers.http.endpoint"),
        ({"endpoint": "http://[a"}, "providers.http.endpoint"),
        ({"endpoint": "http://a", "pollInterval": "0s"}, "providers.http.pollInterval"),
        ({"endpoint": "http://a", "pollTimeout": "-1s"}, "providers.http.pollTimeout"),
        ({"endpoint": "http://u:s3cret@a", "headers": {"authorization": "s3cret"}}, "providers.http.headers.Authorization"),
        ({"endpoint": "http://a", "headers": {"X Y": "s3cret"}}, "providers.http.headers.X Y"),
        ({"endpoint": "http://a", "headers": {"X": "s3cret\r\nY: 1"}}, "providers.http.headers.X"),
        ({"endpoint": "http://a", "tls": {"cert": "/no/such"}}, "providers.http.tls"),
        ({"endpoint": "http://a", "tls": {"ca": "/no/such"}}, "providers.http.tls.ca"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, path):
    with pytest.raises(ConfigError) as caught:
        build(Http, options)

    assert [problem.path for problem in caught.value.problems] == [path]
    assert "s3cret" not in str(caught.value)


def test_it_shows_no_secret():
    provider = build(Http, {"endpoint": "http://me:s3cret@a.example/x?token=s3cret"})

    assert repr(provider) == "<Http http://a.example/x>"
