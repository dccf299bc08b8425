"""What becomes of a request's target and headers before a rule sees them, and on the way to a server."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import wire
from pointsman.api import Handler
from pointsman.message import Address, Link, Request, Response
from pointsman.server.head import Block, request_from
from pointsman.server.settings import EntrySettings
from pointsman.wire import BadMessage

LINK = Link(Address("192.0.2.7", 40000), Address("192.0.2.1", 8000), b"http", "web")


def read(head: bytes, trusted: bool = False, **settings: Any) -> Request:
    chosen = EntrySettings("web", server_name=b"gate.example", **settings)
    method, target, minor, block = wire.split_request(head)
    return request_from(method, target, minor, Block(block, minor, chosen, LINK, trusted), chosen, LINK, trusted)


def headers_of(sent: bytes) -> dict[bytes, list[bytes]]:
    """Names as they are spelled on the wire, with their values."""
    found: dict[bytes, list[bytes]] = {}
    for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        found.setdefault(name, []).append(value)
    return found


async def touch(request: Request, call_next: Handler) -> Response:
    """A middleware that looks at the headers, which makes the slow way of writing them."""
    assert request.headers.get(b"no-such") is None
    return await call_next(request)


@pytest.fixture(params=[None, touch], ids=["untouched", "touched"])
def around(request: pytest.FixtureRequest) -> Any:
    return request.param


# targets


@pytest.mark.spec("R-75", "O-34", "O-35")
@pytest.mark.parametrize(
    ("target", "sanitised", "as_it_is"),
    [
        (b"/./foo/../bar//x/", b"/bar/x/", b"/./foo/../bar//x/"),
        (b"/a%2fb/%41%7e", b"/a%2Fb/A~", b"/a%2Fb/A~"),
        (b"/a/%2e%2e/b", b"/b", b"/a/../b"),
        (b"/a/..%2Fb", b"/a/..%2Fb", b"/a/..%2Fb"),
        (b"/foo/../bar", b"/bar", b"/foo/../bar"),
        (b"/../../x", b"/x", b"/../../x"),
        (b'/"|`\xe9', b"/%22%7C%60%E9", b"/%22%7C%60%E9"),
    ],
)
def test_the_path_is_made_canonical(target: bytes, sanitised: bytes, as_it_is: bytes) -> None:
    head = b"GET %b?q HTTP/1.1\r\nHost: a" % target
    assert read(head).path == sanitised
    assert read(head, sanitise_path=False).path == as_it_is
    assert read(head).query == b"q"
    assert read(head).target == target + b"?q"


@pytest.mark.spec("R-78", "O-36")
async def test_semicolons_in_the_query_separate_or_are_encoded(house: Any) -> None:
    assert (await house.forwarded(b"GET /?a=1;b=2 HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"GET /?a=1&b=2 HTTP/1.1\r\n")
    house.set_up(encode_query_semicolons=True)
    assert (await house.forwarded(b"GET /?a=1;b=2 HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"GET /?a=1%3Bb=2 HTTP/1.1\r\n")


async def test_an_absolute_target_names_the_authority(house: Any, around: Any) -> None:
    house.set_up(around=around, trust_all=True)
    got = await house.forwarded(
        b"GET HTTP://B.test:81?x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 1.1.1.1\r\nX-Real-Ip: 2.2.2.2\r\n\r\n"
    )
    assert got.startswith(b"GET /?x HTTP/1.1\r\nHost: B.test:81\r\n")
    headers = headers_of(got)
    assert headers[b"X-Forwarded-Host"] == [b"B.test:81"]
    assert headers[b"X-Forwarded-Port"] == [b"81"]
    assert headers[b"X-Forwarded-For"] == [b"1.1.1.1, 192.0.2.7"], "what a trusted client says stands here, too"
    assert headers[b"X-Real-Ip"] == [b"2.2.2.2"]
    assert house.requests[-1].host == b"b.test"


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"ECHO.test:8123", b"echo.test"),
        (b"[2001:DB8::1]:80", b"2001:db8::1"),
        (b"[::1]", b"::1"),
        (b"", b""),
        (b"a_b.test", b"a_b.test"),
        (b"a:", b"a"),
    ],
)
def test_the_host_that_rules_see_is_lower_case_without_port(authority: bytes, host: bytes) -> None:
    request = read(b"GET / HTTP/1.1\r\nHost: " + authority)
    assert (request.host, request.authority) == (host, authority)


@given(st.binary(max_size=80), st.lists(st.binary(max_size=30), max_size=4))
def test_garbage_is_a_request_or_a_bad_message(target: bytes, lines: list[bytes]) -> None:
    try:
        request = read(b"GET " + target + b" HTTP/1.1\r\n" + b"\r\n".join([b"Host: a", *lines]))
    except BadMessage:
        return
    assert not request.path.translate(None, wire.VISIBLE)
    assert not (request.query or b"").translate(None, wire.VISIBLE)
    assert request.path[:1] == b"/" or b"#" in request.path


# forwarded headers

CLAIMS = (
    b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
    b"X-Forwarded-Server: evil\r\nX-Forwarded-Uri: /e\r\nX-Forwarded-Method: E\r\nX-Forwarded-Prefix: /e\r\n"
    b"X-Real-Ip: 9.9.9.9\r\nX_Forwarded_For: 9.9.9.9\r\nX-Forwarded_For: 9.9.9.9\r\nx_real_ip: 9.9.9.9\r\n"
    b"X-Forwarded-Tls-Client-Cert: e\r\nX-Forwarded-Tls-Client-Cert-Info: e\r\nX-Scheme: e\r\nForwarded: for=9.9.9.9\r\n"
)


@pytest.mark.spec("R-8", "O-28", "R-1", "O-31")
async def test_what_an_untrusted_client_says_of_itself_is_replaced_or_gone(house: Any, around: Any) -> None:
    house.set_up(around=around)
    headers = headers_of(await house.forwarded(b"GET / HTTP/1.1\r\nHost: ECHO.test:8123\r\n" + CLAIMS + b"\r\n"))
    assert headers == {
        b"Host": [b"ECHO.test:8123"],
        b"X-Real-Ip": [b"192.0.2.7"],
        b"X-Forwarded-Proto": [b"http"],
        b"X-Forwarded-Port": [b"8123"],
        b"X-Forwarded-Host": [b"ECHO.test:8123"],
        b"X-Forwarded-Server": [b"gate.example"],
        b"X-Forwarded-For": [b"192.0.2.7"],
    }
    assert headers_of(await house.forwarded(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[b"X-Forwarded-Port"] == [b"80"]


@pytest.mark.spec("R-9", "O-29")
async def test_what_a_trusted_client_says_stands_and_the_chain_is_joined(house: Any, around: Any) -> None:
    house.set_up(around=around, trusted=[ipaddress.ip_network("192.0.2.0/24")])
    claims = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n" + CLAIMS + b"\r\n"
    headers = headers_of(await house.forwarded(claims))
    assert headers[b"X-Forwarded-For"] == [b"1.2.3.4, 9.9.9.9, 192.0.2.7"]
    assert headers[b"X-Real-Ip"] == [b"9.9.9.9"]
    assert headers[b"X-Forwarded-Host"] == [b"evil"]
    assert headers[b"X-Forwarded-Proto"] == [b"https"]
    assert headers[b"X-Forwarded-Server"] == [b"gate.example"]
    assert headers[b"Forwarded"] == [b"for=9.9.9.9"]
    assert not any(b"_" in name for name in headers)
    other = house.client(("198.51.100.9", 1))
    assert b"9.9.9.9" not in await house.forwarded(claims, other)


async def test_a_client_need_not_be_added_to_the_chain(house: Any, around: Any) -> None:
    house.set_up(around=around, trust_all=True, append_forwarded_for=False)
    assert b"X-Forwarded-For" not in headers_of(await house.forwarded(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    got = headers_of(await house.forwarded(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"))
    assert got[b"X-Forwarded-For"] == [b"1.1.1.1"]


# Connection, and what it names


@pytest.mark.spec("R-10")
async def test_hop_by_hop_headers_end_here(house: Any, around: Any) -> None:
    house.set_up(around=around)
    got = headers_of(
        await house.forwarded(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Foo\r\nX-Foo: 1\r\nKeep-Alive: 1\r\n"
            b"Proxy-Authorization: 1\r\nProxy-Connection: 1\r\nTE: trailers, deflate\r\nTE: trailers\r\n"
            b"Upgrade: x\r\nx-lower-CASE: 2\r\n\r\n"
        )
    )
    own = {name for name in got if not name.startswith(b"X-Forwarded") and name != b"X-Real-Ip"}
    assert own == {b"Host", b"Te", b"X-Lower-Case"}
    assert got[b"Te"] == [b"trailers"]


@pytest.mark.spec("O-32")
async def test_connection_cannot_strip_what_the_gateway_says(house: Any, around: Any) -> None:
    async def adding(request: Request, call_next: Handler) -> Response:
        request.headers.set(b"x-user", b"root")
        return await call_next(request)

    claim = (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, x-forwarded-for, X-User, x-real-ip\r\nFoo: 1\r\nX-User: me\r\n\r\n"
    )
    house.set_up(around=around)
    got = headers_of(await house.forwarded(claim))
    assert b"Foo" not in got
    assert b"X-User" not in got
    assert got[b"X-Forwarded-For"] == got[b"X-Real-Ip"] == [b"192.0.2.7"]
    house.set_up(around=adding)
    assert headers_of(await house.forwarded(claim))[b"X-User"] == [b"root"]


async def test_names_kept_for_middlewares_go_no_further(house: Any) -> None:
    seen = []

    async def looking(request: Request, call_next: Handler) -> Response:
        seen.append(request.headers.get(b"x-hop"))
        return await call_next(request)

    claim = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\n\r\n"
    for around in (None, looking):
        house.set_up(around=around, kept_connection_headers=frozenset((b"x-hop",)))
        got = headers_of(await house.forwarded(claim))
        assert b"X-Hop" not in got
        assert b"X-Other" not in got
        assert got[b"X-End"] == [b"3"]
        assert len(got[b"X-Forwarded-For"]) == 1
    assert seen == [b"1"]


# aliases


@pytest.mark.spec("O-40")
@pytest.mark.parametrize("name", [b"X.Auth.User", b"X_Auth_User", b"X!A", b"X~A"])
def test_unusual_names_are_kept_dropped_or_refused(name: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Auth-User: 1\r\n" + name + b": 2"
    lower = name.lower()
    assert lower in read(head).headers
    dropped = read(head, alias_headers="delete").headers
    assert lower not in dropped
    assert dropped.get(b"x-auth-user") == b"1"
    with pytest.raises(BadMessage):
        read(head, alias_headers="reject")
    if b"_" in name:
        assert lower not in read(head, underscore_headers="delete").headers
        with pytest.raises(BadMessage):
            read(head, underscore_headers="reject")
    else:
        assert lower in read(head, underscore_headers="reject").headers


# to the server


@pytest.mark.spec("R-60", "R-61")
async def test_the_server_url_gives_host_and_path_only_if_asked(house: Any) -> None:
    house.set_up(url="http://10.0.0.1:9000/base/x?z=1")
    got = await house.forwarded(b"GET /q?a=1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert got.startswith(b"GET /q?a=1 HTTP/1.1\r\nHost: a.test\r\n")
    house.set_up(url="http://10.0.0.1:9000/base/x/", preserve_path=True, pass_host=False)
    got = await house.forwarded(b"GET /q?a=1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert got.startswith(b"GET /base/x/q?a=1 HTTP/1.1\r\nHost: 10.0.0.1:9000\r\n")
    assert headers_of(got)[b"X-Forwarded-Host"] == [b"a.test"]


METHODS = st.sampled_from([b"GET", b"POST", b"FOO"])
NAMES = st.sampled_from([b"X-A", b"Accept", b"x_b", b"Cookie", b"TE", b"Connection", b"Content-Length-X", b"Trailer"])
VALUES = st.sampled_from([b"", b"1", b"a, b", b"trailers", b"close", b"x-a", b"\xe9", b"a:b", b"keep-alive, accept"])


@given(METHODS, st.lists(st.tuples(NAMES, VALUES), max_size=5), st.booleans(), st.booleans())
def test_what_is_sent_on_is_exactly_one_message(
    house_on: Any, method: bytes, lines: list[tuple[bytes, bytes]], body: bool, touched: bool
) -> None:
    import asyncio

    async def story() -> None:
        house = house_on(asyncio.get_running_loop())
        house.set_up(around=touch if touched else None)
        head = b"".join(b"%b: %b\r\n" % line for line in lines)
        sized = b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" if body else b"\r\n"
        got = await house.forwarded(method + b" /x HTTP/1.1\r\nHost: a\r\n" + head + sized)
        again, _, rest = got.partition(b"\r\n\r\n")
        _, target, minor, block = wire.split_request(again)
        read_lines = wire.request_lines(block)
        framing = wire.framing([line[1] for line in read_lines if line[1] is not None], minor)
        none = 0 if method in (b"POST", b"PUT", b"PATCH") else None  # who usually sends a body says that it has none
        assert (target, framing) == (b"/x", (None, True) if body else (none, False))
        assert rest == (b"2\r\nok\r\n0\r\n\r\n" if body else b"")
        names = [line[0][0] for line in read_lines]
        assert names.count(b"host") == names.count(b"x-forwarded-for") == 1
        assert not {b"connection", b"keep-alive"} & set(names)
        for wire_ in list(house.entry.connections):
            wire_.transport.break_off()
        await house.settle()

    asyncio.run(story())
