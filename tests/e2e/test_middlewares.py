"""What holds for all middlewares: how they are declared, named and put together, and what a broken one closes
(middlewares.md section 1)."""

import pytest
import pytest_asyncio

from pointsman.testing import answer, eventually

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDDLEWARES = {
    "outer": {"headers": {"customResponseHeaders": {"X-R": "outer"}}},
    "inner": {"headers": {"customResponseHeaders": {"X-R": "inner"}}},
    "by-router": {"headers": {"customRequestHeaders": {"X-Svc": "r"}, "customResponseHeaders": {"X-From": "r"}}},
    "by-service": {"headers": {"customRequestHeaders": {"X-Svc": "1"}, "customResponseHeaders": {"X-From": "1"}}},
    "two": {"addPrefix": {"prefix": "/a"}, "stripPrefix": {"prefixes": ["/a"]}},
    "itself": {"chain": {"middlewares": ["itself"]}},
    "unknown": {"plugin": {"foo": {"bar": 1}}},
    "twice": {"plugin": {"foo": {}, "bar": {}}},
    "odd": {"addPrefix": {"prefix": "/a"}, "compress": False},
    "none": {},
}
ROUTERS = {
    "good": "Host(`good.test`)",
    "ordered": {"rule": "Host(`ordered.test`)", "middlewares": ["outer", "inner"]},
    "served": {"rule": "Host(`served.test`)", "middlewares": ["by-router"], "service": "fronted"},
    "missing": {"rule": "Host(`missing.test`)", "middlewares": ["x"]},
    "fallback": "Host(`fallback.test`)",
    "closed-for-less": {"rule": "Host(`fallback.test`) && PathPrefix(`/admin`)", "middlewares": ["x"]},
    **{name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in MIDDLEWARES},
    "broken-service": {"rule": "Host(`broken-service.test`)", "service": "broken"},
}


def dynamic(urls):
    document = routed(
        ROUTERS,
        urls,
        fronted={**balancer(urls["a"]), "middlewares": ["by-service"]},
        broken={**balancer(urls["a"]), "middlewares": ["x"]},
    )
    document["http"]["middlewares"] = MIDDLEWARES
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, servers=["a"]) as stage:
        yield stage


@pytest.mark.spec("M-34")
async def test_a_router_whose_middleware_is_missing_is_closed_and_no_other(stage):
    assert (await stage.get("/", "missing.test")).status == 404
    assert (await stage.get("/", "good.test")).status == 200
    assert 'middleware "x@file" does not exist' in stage.gateway.log()


async def test_a_closed_router_leaves_its_requests_to_the_others_as_the_dialect_says(stage):
    assert (await stage.get("/admin", "fallback.test")).status == 200


@pytest.mark.spec("M-35")
async def test_two_kinds_under_one_name_close_its_routers(stage):
    assert (await stage.get("/", "two.test")).status == 404
    assert "multi-types middleware not supported" in stage.gateway.log()


@pytest.mark.spec("M-36")
async def test_a_chain_that_contains_itself_closes_its_routers(stage):
    assert (await stage.get("/", "itself.test")).status == 404
    assert "recursion detected in middleware:itself@file->middleware:itself@file" in stage.gateway.log()


@pytest.mark.spec("M-37")
async def test_of_two_edits_of_an_answer_the_outer_one_wins(stage):
    assert (await stage.get("/", "ordered.test")).get_all("x-r") == ["outer"]


@pytest.mark.spec("M-38")
async def test_middlewares_of_a_service_come_after_those_of_the_router(stage):
    found = await stage.get("/", "served.test")

    assert stage["a"].last.get_all("x-svc") == ["1"]
    assert found.get_all("x-from") == ["r"]


@pytest.mark.spec("M-108")
async def test_a_plugin_that_nobody_knows_closes_its_routers_alone(stage):
    assert (await stage.get("/", "unknown.test")).status == 404
    assert (await stage.get("/", "twice.test")).status == 404
    assert (await stage.get("/", "good.test")).status == 200
    assert "plugin: unknown plugin type: foo" in stage.gateway.log()
    assert "plugin: invalid configuration: no configuration or too many plugin definition" in stage.gateway.log()


async def test_a_kind_that_is_switched_off_is_not_there(stage):
    assert (await stage.get("/q", "odd.test")).status == 200
    assert stage["a"].last.target == b"/a/q"

    assert (await stage.get("/", "none.test")).status == 404


async def test_a_service_whose_own_middleware_is_missing_closes_its_routers(stage):
    assert (await stage.get("/", "broken-service.test")).status == 404


@pytest.mark.spec("M-33")
async def test_an_unknown_option_leaves_all_of_the_file_as_it_was():
    def before(urls):
        return routed({"old": "Host(`old.test`)"}, urls)

    async with staged(before, servers=["a"]) as stage:
        changed = routed({"old": "Host(`new.test`)", "edited": "Host(`edited.test`)"}, stage.urls)
        changed["http"]["middlewares"] = {"bad": {"addPrefix": {"prefix": "/a", "bogus": 1}}}
        await stage.gateway.update(changed, until=lambda: "bogus" in stage.gateway.log())

        stage["a"].answers(answer(200, {}, b"still"))
        assert (await stage.get("/", "old.test")).body == b"still"
        assert (await stage.get("/", "new.test")).status == (await stage.get("/", "edited.test")).status == 404

        changed["http"]["middlewares"] = {"bad": {"addPrefix": {"prefix": "/a"}}}
        await stage.gateway.update(changed)

        async def is_live():
            return (await stage.get("/", "new.test")).status == 200

        await eventually(is_live)
