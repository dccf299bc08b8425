"""One reading of a path, for rules and servers alike; what has none is refused (routing.md section 6.1)."""

import pytest
import pytest_asyncio

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATIC = {
    "entryPoints": {
        "web": {},
        "asis": {"http": {"sanitizePath": False}},
        "semicolons": {"http": {"encodeQuerySemicolons": True}},
        "strict": {"http": {"encodedCharacters": {"allowEncodedSlash": False}}},
        "small": {"http": {"maxHeaderBytes": 2000}},
        "no-alias": {"http": {"aliasHeadersStrategy": "reject"}},
        "drop-alias": {"http": {"aliasHeadersStrategy": "delete"}},
    }
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(lambda urls: routed({"any": "Host(`a.test`)"}, urls), STATIC, ["a"]) as stage:
        yield stage


def get(target, *lines, host="a.test"):
    return head(f"GET {target} HTTP/1.1", f"Host: {host}", *lines)


@pytest.mark.parametrize(
    ("entry_point", "target", "seen"),
    [
        pytest.param("web", "/a/%2e%2e/b", "/b", marks=pytest.mark.spec("R-75")),
        pytest.param("web", "/a/..%2Fb", "/a/..%2Fb", marks=pytest.mark.spec("R-75")),
        pytest.param("asis", "/foo/../bar", "/foo/../bar", marks=pytest.mark.spec("R-75")),
        pytest.param("web", "/./foo/../bar//x/", "/bar/x/", marks=pytest.mark.spec("O-34")),
        pytest.param("asis", "/./foo/../bar//x/", "/./foo/../bar//x/", marks=pytest.mark.spec("O-34")),
        pytest.param("web", "/a%2fb/%41%7e", "/a%2Fb/A~", marks=pytest.mark.spec("O-35")),
        pytest.param("web", "/a?x=1;y=2", "/a?x=1&y=2", marks=pytest.mark.spec("R-78", "O-36")),
        pytest.param("semicolons", "/a?x=1;y=2", "/a?x=1%3By=2", marks=pytest.mark.spec("R-78", "O-36")),
        pytest.param("strict", "/a?x=%2F", "/a?x=%2F", marks=pytest.mark.spec("O-38")),
    ],
)
async def test_a_server_gets_the_canonical_target(stage, entry_point, target, seen):
    assert (await stage.seen(get(target), entry_point)).target == seen.encode()


@pytest.mark.spec("R-76", "O-38")
async def test_an_encoded_slash_may_be_refused_where_a_router_matches(stage):
    refused = await stage.ask(get("/a%2Fb"), "strict")

    assert (refused.status, refused.body) == (400, b"")
    assert (await stage.ask(get("/a%2Fb", host="nobody.test"), "strict")).status == 404


@pytest.mark.spec("R-77", "O-37")
async def test_a_fragment_is_refused_without_a_word(stage):
    refused = await stage.ask(get("/a#b"))

    assert (refused.status, refused.body) == (400, b"")


@pytest.mark.spec("R-77")
@pytest.mark.parametrize(
    "request_head",
    [
        head("GET /%zz HTTP/1.1", "Host: a.test"),
        head("GET / HTTP/1.1", "Host: a.test", "Host: b.test"),
        head("GET / HTTP/1.1"),
    ],
    ids=["bad escape", "two Hosts", "no Host"],
)
async def test_what_is_no_request_is_refused_and_the_connection_closes(stage, request_head):
    async with stage.connect() as client:
        refused = await client.ask(request_head)

        assert (refused.status, refused.get("connection")) == (400, "close")
        assert await client.rest() == b""


@pytest.mark.spec("R-77", "O-39")
@pytest.mark.parametrize(("entry_point", "size"), [("web", 1_100_000), ("small", 6_500)])
async def test_a_head_too_large_is_refused_and_the_connection_closes(stage, entry_point, size):
    async with stage.connect(entry_point) as client:
        refused = await client.ask(get("/", "X-Big: " + "x" * size))

        assert (refused.status, refused.body) == (431, b"431 Request Header Fields Too Large")
        assert await client.rest() == b""
    assert (await stage.ask(get("/", "X-Big: " + "x" * 5000), "small")).status == 200


@pytest.mark.spec("O-40")
async def test_header_names_that_servers_may_confuse_can_be_refused_or_dropped(stage):
    odd = ("X.Auth.User: me", "X_Auth_User: me", "X-Auth-User: me")

    assert (await stage.ask(get("/", odd[0]), "no-alias")).status == 400
    assert (await stage.ask(get("/", odd[1]), "no-alias")).status == 400
    assert (await stage.seen(get("/", odd[2]), "no-alias")).get("x-auth-user") == "me"
    dropped = await stage.seen(get("/", *odd), "drop-alias")
    assert [name for name, _ in dropped.headers if b"uth" in name] == [b"X-Auth-User"]
    kept = await stage.seen(get("/", *odd))
    assert len([name for name, _ in kept.headers if b"uth" in name.lower()]) == 3


@pytest.mark.spec("R-74")
async def test_options_star_and_connect_are_answered_here(stage):
    stage["a"].requests.clear()

    star = await stage.ask(head("OPTIONS * HTTP/1.1", "Host: a.test"))
    assert (star.status, star.body) == (200, b"")
    connect = await stage.ask(head("CONNECT a.test:80 HTTP/1.1", "Host: a.test:80"))
    assert connect.status == 501
    assert stage["a"].requests == []
