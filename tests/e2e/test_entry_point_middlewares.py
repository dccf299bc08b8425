"""What an entry point does to all its routers, and which routers it has (routing.md section 4.1, 4.6)."""

import pytest
import pytest_asyncio

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = {
    "nested": {"rule": "Host(`nested.test`)", "service": "based", "middlewares": ["add-a", "add-b"], "entryPoints": ["web"]},
    "marked": {"rule": "Host(`marked.test`)", "middlewares": ["by-router"], "entryPoints": ["model", "web"]},
    "default": "Host(`default.test`)",
    "parent": {"rule": "Host(`parent.test`)", "entryPoints": ["prefixed", "web"], "middlewares": ["add-a"]},
    "child": {"rule": "PathPrefix(`/`)", "parentRefs": ["parent"], "middlewares": ["add-b"]},
}


def dynamic(urls):
    document = routed(RULES, urls, based={**balancer(urls["a"]), "middlewares": ["add-b"]})
    del document["http"]["routers"]["parent"]["service"]
    document["http"]["middlewares"] = {
        "add-a": {"addPrefix": {"prefix": "/a"}},
        "add-b": {"addPrefix": {"prefix": "/b"}},
        "by-point": {"headers": {"customRequestHeaders": {"X-By": "point", "X-Point": "1"}}},
        "on-point": {"addPrefix": {"prefix": "/point"}},
        "by-router": {"headers": {"customRequestHeaders": {"X-By": "router"}}},
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    points = {
        "web": {},
        "model": {"http": {"middlewares": ["by-point@file"]}},
        "prefixed": {"http": {"middlewares": ["on-point@file"]}},
        "broken": {"http": {"middlewares": ["nope@file"]}},
    }
    async with staged(dynamic, {"entryPoints": points}, ["a"]) as stage:
        yield stage


@pytest.mark.spec("R-82")
async def test_middlewares_of_the_router_come_before_those_of_the_service(stage):
    assert (await stage.get("/q", "nested.test")).status == 200
    assert stage["a"].last.target == b"/b/b/a/q"


@pytest.mark.spec("R-83")
async def test_middlewares_of_the_entry_point_come_before_those_of_the_router(stage):
    assert (await stage.get("/", "marked.test", "model")).status == 200
    assert (stage["a"].last.get("x-by"), stage["a"].last.get("x-point")) == ("router", "1")

    assert (await stage.get("/", "marked.test")).status == 200
    assert (stage["a"].last.get("x-by"), stage["a"].last.get("x-point")) == ("router", None)


@pytest.mark.spec("O-27")
async def test_a_router_that_names_no_entry_point_is_on_all_but_traefik(stage):
    statuses = [(await stage.get("/", "default.test", point)).status for point in ("web", "model", "prefixed", "traefik")]

    assert statuses == [200, 200, 200, 404]


async def test_a_door_whose_middleware_is_missing_lets_nobody_in(stage):
    assert (await stage.get("/", "default.test", "broken")).status == 404


@pytest.mark.parametrize(("entry_point", "target"), [("prefixed", b"/b/a/point/q"), ("web", b"/b/a/q")])
async def test_middlewares_of_the_entry_point_run_once_and_before_those_of_parent_and_child(stage, entry_point, target):
    assert (await stage.get("/q", "parent.test", entry_point)).status == 200
    assert stage["a"].last.target == target


@pytest.mark.spec("O-27")
async def test_it_is_on_the_default_ones_if_there_are_any():
    points = {"web": {}, "main": {"asDefault": True}}
    async with staged(
        lambda urls: routed({"default": "Host(`default.test`)"}, urls), {"entryPoints": points}, ["a"]
    ) as stage:
        statuses = [(await stage.get("/", "default.test", point)).status for point in ("web", "main", "traefik")]

    assert statuses == [404, 200, 404]
