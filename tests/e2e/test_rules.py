"""Whoever writes a rule gets the requests it speaks of, and no others (routing.md section 3)."""

import pytest
import pytest_asyncio

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = {
    "echo": "Host(`echo.test`)",
    "prio-long": {"rule": "Host(`pr.x`) && PathPrefix(`/`) && PathPrefix(`/`)", "service": "b"},
    "prio": {"rule": "Host(`pr.x`)", "priority": 100},
    "or-and": "Path(`/1`) || Path(`/2`) && Host(`h`)",
    "not": "HostRegexp(`^[xy]$`) && !(Host(`x`) || Path(`/q`))",
    "wild": "Host(`*.ex.test`)",
    "path": "Host(`p.test`) && Path(`/p`)",
    "escaped": "Host(`p.test`) && Path(`/a%2Fb`)",
    "blank": "Host(`p.test`) && Path(`/foo bar`)",
    "prefix": "Host(`p.test`) && PathPrefix(`/pp`)",
    "header": "Host(`h.test`) && Header(`x-foo`,`bar`)",
    "query": "Host(`q.test`) && Query(`a`)",
    "query-value": {"rule": "Host(`q.test`) && Path(`/v`) && Query(`a`,`1`)"},
    "hostregexp": "HostRegexp(`EX`)",
    "client": "Host(`ip.test`) && ClientIP(`127.0.0.1`)",
    "capitals": "Host(`case.test`) && PATHPREFIX(`/a`)",
    "odd-case": "Host(`case.test`) && pathPrefix(`/odd`)",
    "single-quotes": "Host('single.test')",
    "begins": "Host(`lines.test`)\n  && Path(`/begins`)",
    "ends": "Host(`lines.test`) &&\n  Path(`/ends`)",
    "everything-else": {"rule": "Host(`*`) && PathPrefix(`/all`)", "entryPoints": ["any"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(lambda urls: routed(RULES, urls), {"entryPoints": {"web": {}, "any": {}}}) as stage:
        yield stage


@pytest.mark.spec("R-1")
async def test_a_host_is_found_in_any_case_and_with_any_port_and_passed_on_as_written(stage):
    answer = await stage.get("/", "ECHO.test:8123")

    assert (answer.status, answer.body) == (200, b"a")
    assert stage["a"].last.get("host") == "ECHO.test:8123"
    assert stage["a"].last.get("x-forwarded-port") == "8123"


@pytest.mark.spec("R-2")
async def test_nobodys_host_is_not_found(stage):
    answer = await stage.get("/", "nobody.test")

    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("content-type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("host", "path", "headers", "status"),
    [
        pytest.param("pr.x", "/", [], 200, marks=pytest.mark.spec("R-11")),
        pytest.param("x", "/1", [], 200, marks=pytest.mark.spec("R-12")),
        pytest.param("x", "/2", [], 404, marks=pytest.mark.spec("R-12")),
        pytest.param("h", "/2", [], 200, marks=pytest.mark.spec("R-12")),
        pytest.param("y", "/", [], 200, marks=pytest.mark.spec("R-13")),
        pytest.param("y", "/q", [], 404, marks=pytest.mark.spec("R-13")),
        pytest.param("x", "/", [], 404, marks=pytest.mark.spec("R-13")),
        pytest.param("a.ex.test", "/", [], 200, marks=pytest.mark.spec("R-14")),
        pytest.param("a.b.ex.test", "/", [], 404, marks=pytest.mark.spec("R-14")),
        pytest.param("ex.test", "/", [], 404, marks=pytest.mark.spec("R-14")),
        pytest.param("p.test", "/%70", [], 200, marks=pytest.mark.spec("R-16")),
        pytest.param("p.test", "//p", [], 200, marks=pytest.mark.spec("R-16")),
        pytest.param("p.test", "/a/../p", [], 200, marks=pytest.mark.spec("R-16")),
        pytest.param("p.test", "/p/", [], 404, marks=pytest.mark.spec("R-16")),
        pytest.param("p.test", "/P", [], 404, marks=pytest.mark.spec("R-16")),
        pytest.param("p.test", "/a%2fb", [], 200, marks=pytest.mark.spec("R-17")),
        pytest.param("p.test", "/a/b", [], 404, marks=pytest.mark.spec("R-17")),
        pytest.param("p.test", "/foo%20bar", [], 200, marks=pytest.mark.spec("R-17")),
        pytest.param("p.test", "/ppx", [], 200, marks=pytest.mark.spec("R-18")),
        pytest.param("h.test", "/", ["X-FOO: bar"], 200, marks=pytest.mark.spec("R-19")),
        pytest.param("h.test", "/", ["X-Foo: a, bar"], 404, marks=pytest.mark.spec("R-19")),
        pytest.param("h.test", "/", ["X-Foo: z", "X-Foo: bar"], 200, marks=pytest.mark.spec("R-19")),
        pytest.param("q.test", "/?a", [], 200, marks=pytest.mark.spec("R-20")),
        pytest.param("q.test", "/?a=", [], 200, marks=pytest.mark.spec("R-20")),
        pytest.param("q.test", "/?a=1", [], 404, marks=pytest.mark.spec("R-20")),
        pytest.param("q.test", "/v?b=2;a=1", [], 200, marks=pytest.mark.spec("R-20")),
        pytest.param("EX.test", "/", [], 404, marks=pytest.mark.spec("R-21")),
        pytest.param("ip.test", "/", ["X-Forwarded-For: 9.9.9.9"], 200, marks=pytest.mark.spec("R-22")),
        pytest.param("single.test", "/", [], 404, marks=pytest.mark.spec("R-23")),
        pytest.param("case.test", "/a", [], 200, marks=pytest.mark.spec("R-24")),
        pytest.param("case.test", "/odd", [], 404, marks=pytest.mark.spec("R-24")),
        pytest.param("lines.test", "/ends", [], 200, marks=pytest.mark.spec("R-25")),
        pytest.param("lines.test", "/begins", [], 200, id="a line may begin with && (routing.md, note in section 3.1)"),
    ],
)
async def test_a_rule_takes_exactly_what_it_says(stage, host, path, headers, status):
    answer = await stage.ask(head(f"GET {path} HTTP/1.1", f"Host: {host}", *headers))

    assert (answer.status, answer.body) == (status, b"a" if status == 200 else b"404 page not found\n")


@pytest.mark.spec("R-15")
@pytest.mark.parametrize("host", ["x", "a.b.c.d", ""])
async def test_a_star_takes_every_host_and_none(stage, host):
    assert (await stage.ask(head("GET /all HTTP/1.1", f"Host: {host}"), "any")).status == 200
    assert (await stage.ask(head("GET /all HTTP/1.0"), "any")).status == 200
