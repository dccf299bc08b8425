"""Routers below routers see what the middlewares above them made of the request (routing.md section 3.8)."""

import pytest
import pytest_asyncio

from .stage import routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = {
    "parent": {"rule": "Host(`multi.test`)", "middlewares": ["admin"]},
    "admins": {"rule": "Header(`X-Role`,`admin`) && Path(`/adm`)", "parentRefs": ["parent"]},
    "guests": {"rule": "Header(`X-Role`,`guest`)", "parentRefs": ["parent"], "service": "b"},
    "moving": {"rule": "Host(`moving.test`)", "middlewares": ["moved"]},
    "new": {"rule": "PathPrefix(`/new/`)", "parentRefs": ["moving"]},
    "old": {"rule": "PathPrefix(`/old`)", "parentRefs": ["moving"], "service": "b"},
    "top": {"rule": "Host(`deep.test`)"},
    "middle": {"rule": "PathPrefix(`/a`)", "parentRefs": ["top"]},
    "bottom": {"rule": "PathPrefix(`/a/b`)", "parentRefs": ["middle", "parent"]},
    "both": {"rule": "Host(`both.test`)", "service": "b"},
    "of-both": {"rule": "PathPrefix(`/`)", "parentRefs": ["both"]},
}


def dynamic(urls):
    document = routed(RULES, urls)
    for name in ("parent", "moving", "top", "middle"):
        del document["http"]["routers"][name]["service"]
    document["http"]["middlewares"] = {
        "admin": {"headers": {"customRequestHeaders": {"X-Role": "admin"}}},
        "moved": {"addPrefix": {"prefix": "/new"}},
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic) as stage:
        yield stage


@pytest.mark.spec("R-79")
async def test_a_parent_decides_what_its_children_see(stage):
    assert (await stage.get("/adm", "multi.test")).body == b"a"
    assert stage["a"].last.get_all("x-role") == ["admin"]
    assert (await stage.get("/adm", "multi.test", x_role="guest")).body == b"a"
    assert (await stage.get("/other", "multi.test")).status == 404


async def test_a_path_is_matched_as_the_parent_has_rewritten_it(stage):
    assert (await stage.get("/old", "moving.test")).body == b"a"
    assert stage["a"].last.target == b"/new/old"


async def test_depth_is_unlimited_and_a_child_may_have_several_parents(stage):
    assert (await stage.get("/a/b/c", "deep.test")).body == b"a"
    assert (await stage.get("/a/b/c", "multi.test")).body == b"a"
    assert (await stage.get("/a/c", "deep.test")).status == 404


async def test_a_parent_with_a_service_of_its_own_is_inactive(stage):
    assert (await stage.get("/", "both.test")).status == 404
