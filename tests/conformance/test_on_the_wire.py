"""The middlewares of the usual set through a real gateway: what server and client see as bytes."""

import pytest

from pointsman.testing import answer, connect, refusing


def document(url, **middlewares):
    """A router for each middleware: the host `name.example` goes through it and reaches `url`."""
    routers = {name: {"rule": f"Host(`{name}.example`)", "middlewares": [name], "service": "shop"} for name in middlewares}
    service = {"loadBalancer": {"servers": [{"url": url}]}}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": {"shop": service}}}


@pytest.mark.spec("M-15", "M-16", "M-39")
async def test_the_server_gets_the_rewritten_target(upstream, start_gateway):
    running = await start_gateway(
        document(upstream.url, strip={"stripPrefix": {"prefixes": ["/api"]}}, add={"addPrefix": {"prefix": "/foo"}})
    )
    async with connect(running.port()) as client:
        for host, path, target in [
            ("strip", "/api/foo?q", b"/foo?q"),
            ("strip", "/api", b"/"),
            ("strip", "/api/a%2fb", b"/a%2Fb"),
            ("add", "/x?q=1", b"/foo/x?q=1"),
            ("add", "/a%2Fb", b"/foo/a%2Fb"),
        ]:
            assert (await client.get(path, f"{host}.example")).status == 200
            assert upstream.last.target == target
            assert upstream.last.get_all("x-forwarded-prefix") == (["/api"] if host == "strip" else [])

        seen = len(upstream.requests)
        refused = await client.get("/api../x", "strip.example")
        assert (refused.status, refused.body, len(upstream.requests)) == (400, b"Bad Request\n", seen)


@pytest.mark.spec("M-55", "M-56")
async def test_the_server_gets_the_edited_headers(upstream, start_gateway):
    edits = {"customRequestHeaders": {"X-Add": "1", "X-Del": "", "Host": "c.t", "X-Forwarded-For": ""}}
    running = await start_gateway(document(upstream.url, edit={"headers": edits}))
    async with connect(running.port()) as client:
        await client.get("/", "edit.example", x_add="0", x_del="z", x_forwarded_for="9.9.9.9")

    assert upstream.last.get_all("x-add") == ["1"]
    assert upstream.last.get_all("host") == ["c.t"]
    assert upstream.last.get_all("x-del") == upstream.last.get_all("x-forwarded-for") == []
    assert upstream.last.get_all("x-forwarded-host") == ["edit.example"]


@pytest.mark.spec("M-20", "M-57")
async def test_the_client_gets_the_edited_headers(upstream, start_gateway):
    upstream.answers(answer(200, {"Server": "x"}, b"ok"))
    cors = {"accessControlAllowOriginList": ["https://foo.t"], "accessControlAllowMethods": ["GET", "PUT"]}
    running = await start_gateway(
        document(
            upstream.url, plain={"headers": {"customResponseHeaders": {"Server": "", "X-R": "1"}}}, cors={"headers": cors}
        )
    )
    async with connect(running.port()) as client:
        edited = await client.get("/", "plain.example")
        preflight = await client.ask(
            b"OPTIONS / HTTP/1.1\r\nHost: cors.example\r\n"
            b"Origin: https://foo.t\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
        )

    assert (edited.body, edited.get_all("server"), edited.get_all("x-r")) == (b"ok", [], ["1"])
    assert (preflight.status, preflight.body) == (200, b"")
    assert preflight.get("access-control-allow-origin") == "https://foo.t"
    assert len(upstream.requests) == 1


async def test_an_error_of_the_gateway_gets_the_edited_headers_too(start_gateway):
    cors = {"accessControlAllowOriginList": ["*"], "customResponseHeaders": {"X-R": "1"}}
    with refusing() as port:
        running = await start_gateway(document(f"http://127.0.0.1:{port}", cors={"headers": cors}))
        async with connect(running.port()) as client:
            answer = await client.get("/", "cors.example", origin="https://foo.t")

    assert (answer.status, answer.body) == (502, b"Bad Gateway")
    assert (answer.get("access-control-allow-origin"), answer.get("x-r")) == ("*", "1")


@pytest.mark.spec("M-37")
async def test_a_chain_is_its_members_in_order(upstream, start_gateway):
    config = document(upstream.url, usual={"chain": {"middlewares": ["outer", "inner", "strip"]}})
    config["http"]["middlewares"] |= {
        "outer": {"headers": {"customResponseHeaders": {"X-R": "outer"}}},
        "inner": {"headers": {"customResponseHeaders": {"X-R": "inner"}}},
        "strip": {"stripPrefix": {"prefixes": ["/a"]}},
    }
    running = await start_gateway(config)
    async with connect(running.port()) as client:
        answer = await client.get("/a/b", "usual.example")

    assert (answer.get_all("x-r"), upstream.last.target) == (["outer"], b"/b")


@pytest.mark.spec("M-36", "M-40")
async def test_a_broken_middleware_closes_its_routers_and_no_other(upstream, start_gateway):
    running = await start_gateway(
        document(
            upstream.url,
            loop={"chain": {"middlewares": ["loop"]}},
            empty={"addPrefix": {"prefix": ""}},
            lost={"chain": {"middlewares": ["nope"]}},
            right={"addPrefix": {"prefix": "/x"}},
        )
    )
    async with connect(running.port()) as client:
        statuses = {name: (await client.get("/", f"{name}.example")).status for name in ("loop", "empty", "lost", "right")}

    assert statuses == {"loop": 404, "empty": 404, "lost": 404, "right": 200}
    for reason in ("recursion detected", "prefix cannot be empty", "nope@file"):
        assert reason in running.log()
