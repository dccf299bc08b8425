"""errors over real sockets: pages of a service, pages of the configuration, and who is in the way (middlewares.md §3.10)."""

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, RESET, answer, chunked, eventually, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEA = {
    "status": ["500-599", "418"],
    "statusRewrites": {"418": 404, "502-504": 500},
    "query": "/{status}.html?o={originalStatus}&u={url}",
}
PAGES = {
    "tea": {**TEA, "service": "pages"},
    "listed": {"status": "404,418", "service": "pages"},
    "badly-listed": {"status": ["404,418"], "service": "pages"},
    "dead": {"status": ["400-599"], "service": "closed"},
    "own": {
        "pages": {
            "404": {"body": "<p>{status} {url}"},
            "500-599": {"body": "{status} {reason}", "contentType": "text/plain"},
        }
    },
    "none": {"status": ["404"], "service": "pages", "errorRequestHeaders": []},
    "guarded": {"status": ["401"], "service": "pages"},
    "nowhere": {"status": ["404"], "service": "nowhere"},
}


def dynamic(urls):
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in PAGES}
    rules |= {
        f"{name}-down": {"rule": f"Host(`{name}-down.test`)", "middlewares": [name], "service": "closed"}
        for name in ("tea", "own")
    }
    rules["guarded"]["middlewares"].append("basic")
    rules["inner"] = {"rule": "Host(`inner.test`)", "middlewares": ["own", "hosts"]}
    document = routed(rules, urls, closed=balancer(urls["closed"]))
    middlewares = {name: {"errors": options} for name, options in PAGES.items()}
    middlewares["basic"] = {"basicAuth": {"users": ["u:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="]}}
    middlewares["hosts"] = {"headers": {"allowedHosts": ["only.test"]}}
    return {"http": {**document["http"], "middlewares": middlewares}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared():
    points = {"web": {}, "trusted": {"forwardedHeaders": {"insecure": True}}}
    async with staged(dynamic, {"entryPoints": points}, ["a", "pages"]) as stage:
        yield stage


@pytest.fixture
def stage(shared):
    shared.reset()
    shared["pages"].answers(answer(200, {"Content-Type": "text/html"}, b"page"))
    return shared


def get(name, *lines, method="GET", target="/", body=b""):
    length = [f"Content-Length: {len(body)}"] if body else []
    return head(f"{method} {target} HTTP/1.1", f"Host: {name}.test", *lines, *length, body=body)


@pytest.mark.spec("M-14")
async def test_a_page_of_a_service_takes_the_place_of_an_answer(stage):
    stage["a"].answers(answer(418, {"Set-Cookie": "a=b"}, b"tea"))
    found = await stage.ask(head("POST /p?q=a%20b HTTP/1.1", "Host: tea.test", "Content-Length: 4", body=b"body"))

    assert (found.status, found.body, found.get("set-cookie")) == (404, b"page", None)
    asked = stage["pages"].last
    assert (asked.method, asked.body, asked.get("content-length")) == (b"GET", b"", None)
    assert asked.target == b"/404.html?o=418&u=http%3A%2F%2Ftea.test%2Fp%3Fq%3Da%2520b"
    assert (asked.get("host"), asked.get("x-forwarded-for")) == ("tea.test", "127.0.0.1")


async def test_who_is_not_reached_has_a_page_too(stage):
    found = await stage.ask(get("tea-down"))

    assert (found.status, found.body) == (500, b"page")
    assert stage["pages"].last.target.startswith(b"/500.html?o=502")


GARBAGE = [b"HTTP/1.1 nonsense\r\n\r\n", CLOSE]


@pytest.mark.parametrize("script", [[RESET], [CLOSE], GARBAGE], ids=["resets", "closes", "garbage"])
async def test_who_does_not_answer_as_it_should_has_a_page(stage, script):
    stage["a"].answers(script)

    assert ((await stage.ask(get("own", method="POST"))).body) == b"502 Bad Gateway"


@pytest.mark.spec("M-88")
async def test_a_service_of_pages_that_is_down_leaves_the_status_and_a_word(stage):
    stage["a"].answers(answer(418, {}, b"tea"))
    found = await stage.ask(get("dead"))

    assert (found.status, found.body) == (418, b"Bad Gateway")


@pytest.mark.spec("M-89")
async def test_a_string_is_a_list_of_statuses_and_a_string_in_a_list_closes_the_router(stage):
    for status in (404, 418):
        stage["a"].answers(answer(status))
        assert (await stage.ask(get("listed"))).body == b"page"
    assert (await stage.ask(get("badly-listed"))).body == b"404 page not found\n"
    assert (await stage.ask(get("nowhere"))).body == b"404 page not found\n"


async def test_a_page_of_the_configuration_is_sent_whoever_said_so(stage):
    stage["a"].answers(answer(404, {"Retry-After": "3", "X-A": "1"}, b"x"))
    found = await stage.ask(get("own", target="/a?%3Cb%3E=<c>"))
    assert (found.status, found.body) == (404, b"<p>404 http://own.test/a?%3Cb%3E=&lt;c&gt;")
    assert (found.get("content-type"), found.get("retry-after"), found.get("x-a")) == ("text/html; charset=utf-8", "3", None)

    found = await stage.ask(get("own-down"))
    assert (found.status, found.body, found.get("content-type")) == (502, b"502 Bad Gateway", "text/plain")
    found = await stage.ask(get("inner"))
    assert (found.status, found.body) == (500, b"500 Internal Server Error")
    assert (await stage.get("/", "own.test")).status == 404


@pytest.mark.spec("M-87")
async def test_a_refusal_of_a_middleware_behind_it_gets_a_page(stage):
    found = await stage.ask(get("guarded"))

    assert (found.status, found.body, found.get("www-authenticate")) == (401, b"page", None)
    assert (await stage.ask(get("guarded", "Authorization: Basic dTp0ZXN0"))).body == b"a"


async def test_to_head_a_page_is_only_described(stage):
    stage["a"].answers(answer(404))
    async with stage.connect() as client:
        for name, size in (("own", 23), ("listed", 4)):
            await client.send(get(name, method="HEAD"))
            found = await client.message("HEAD")
            assert (found.status, found.get("content-length")) == (404, str(size))
    assert stage["pages"].last.method == b"GET"


async def test_headers_of_an_early_answer_stay_with_it(stage):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    stage["a"].answers([early, *answer(418, {}, b"tea")])
    stage["pages"].answers([early.replace(b"a.css", b"b.css"), *answer(200, {}, b"page")])
    async with stage.connect() as client:
        await client.send(get("tea"))
        assert [(await client.head()).get("link") for _ in range(2)] == ["</a.css>", None]
        assert await client.exactly(4) == b"page"


async def test_a_client_that_is_a_proxy_we_trust_stays_in_the_chain(stage):
    stage["a"].answers(answer(404))
    await stage.ask(get("listed", "X-Forwarded-For: 9.9.9.9"), "trusted")
    assert stage["pages"].last.get("x-forwarded-for") == "9.9.9.9, 127.0.0.1"

    await stage.ask(get("none", "X-Forwarded-For: 9.9.9.9", "Cookie: c"), "trusted")
    assert {name.lower() for name, _ in stage["pages"].last.headers} == {b"host", b"x-forwarded-for"}


async def test_a_switch_of_protocols_is_no_error_and_a_refused_one_gets_a_page_that_does_not_switch(stage):
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Version: 13")
    stage["a"].answers(upgrade("websocket"))
    async with stage.connect() as client:
        assert (await client.ask(get("tea", *lines))).status == 101
        await client.send(b"ping")
        assert await client.exactly(4) == b"ping"

    stage["a"].answers(answer(418))
    found = await stage.ask(get("tea", *lines))
    assert (found.status, found.body) == (404, b"page")
    asked = stage["pages"].last
    assert (asked.get("upgrade"), asked.get("connection")) == (None, None)


async def test_other_answers_stream_and_pages_do_too(stage):
    stage["a"].answers(chunked([b"x" * 100_000] * 5))
    assert len((await stage.ask(get("tea"))).body) == 500_000
    assert stage["pages"].requests == []

    stage["a"].answers(chunked([b"x" * 100_000] * 50, status=500))
    stage["pages"].answers(chunked([b"p" * 100_000] * 5))
    found = await stage.ask(get("tea"))
    assert (found.status, len(found.body)) == (500, 500_000)
    await eventually(lambda: stage["a"].open == 0, "the answer that nobody wanted has been given up")


async def test_what_is_short_leaves_its_connection_open(stage):
    await stage.get("/", "tea.test")
    before = stage["a"].connections
    stage["a"].answers(chunked([b"x" * 1000, b"y" * 1000], status=500))
    for _ in range(5):
        assert (await stage.ask(get("tea"))).status == 500
    assert stage["a"].connections == before


async def test_a_page_that_breaks_off_does_not_look_whole(stage):
    stage["a"].answers(answer(404))
    stage["pages"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", CLOSE])
    async with stage.connect() as client:
        await client.send(get("listed"))
        assert (await client.head()).get("content-length") == "100"
        assert await client.rest() == b"short"
