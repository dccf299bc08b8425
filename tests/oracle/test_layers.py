"""Routers below routers, and services made of services (routing.md section 3.8, 5.1, 5.2)."""

from collections import Counter

import pytest
import pytest_asyncio

from pointsman.testing import answer

from .harness import ORACLE, arena_of, balancer, both_agree, case, get, marked

pytestmark = ORACLE

ROUTERS = {
    "parent": {"rule": "Host(`multi.test`)", "middlewares": ["admin"], "service": ""},
    "admin-child": {"rule": "Header(`X-Role`, `admin`) && Path(`/adm`)", "parentRefs": ["parent"]},
    "guest-child": {"rule": "Header(`X-Role`, `guest`)", "parentRefs": ["parent"]},
    "long-child": {"rule": "PathPrefix(`/deep`) && PathPrefix(`/deep/er`)", "parentRefs": ["parent"]},
    "short-child": {"rule": "PathPrefix(`/deep`)", "parentRefs": ["parent"], "priority": 500},
    "replacing": {"rule": "Host(`replace.test`)", "middlewares": ["to-new"], "service": ""},
    "new-child": {"rule": "PathPrefix(`/new/`)", "parentRefs": ["replacing"]},
    "old-child": {"rule": "PathPrefix(`/old`)", "parentRefs": ["replacing"]},
    "grandparent": {"rule": "Host(`three.test`)", "service": ""},
    "middle": {"rule": "PathPrefix(`/a`)", "parentRefs": ["grandparent"], "service": ""},
    "leaf": {"rule": "PathPrefix(`/a/b`)", "parentRefs": ["middle", "parent"]},
    "tls-child": {"rule": "Path(`/tls`)", "parentRefs": ["parent"], "tls": {}},
    "point-child": {"rule": "Path(`/point`)", "parentRefs": ["parent"], "entryPoints": ["web"]},
    "orphan": {"rule": "Path(`/orphan`)", "parentRefs": ["nobody"]},
    "childless": {"rule": "Host(`childless.test`)", "service": ""},
    "empty-refs": {"rule": "Host(`empty-refs.test`)", "parentRefs": []},
    "both": {"rule": "Host(`both.test`)"},
    "both-child": {"rule": "Path(`/child`)", "parentRefs": ["both"]},
    "nested": {"rule": "Host(`nested.test`)", "service": "outer"},
    "own-host": {"rule": "Host(`own.test`)", "service": "own-host"},
    "no-type": {"rule": "Host(`notype.test`)", "service": "recursive"},
}
CASES = [
    case("layers/parent-changes-what-children-see", get("/adm", "multi.test")),
    case("layers/client-cannot-choose-the-role", get("/adm", "multi.test", "X-Role: guest")),
    case("layers/no-child", get("/other", "multi.test")),
    case("layers/child-priority", get("/deep/er", "multi.test")),
    case("layers/child-with-tls", get("/tls", "multi.test")),
    case("layers/child-with-entry-points", get("/point", "multi.test")),
    case("layers/child-is-on-no-entry-point", get("/adm", "other.test", "X-Role: admin")),
    case("layers/parent-rewrites-the-path", get("/old", "replace.test")),
    case("layers/three-deep", get("/a/b/c", "three.test")),
    case("layers/three-deep-no", get("/a/c", "three.test")),
    case("layers/child-of-two", get("/a/b/c", "multi.test")),
    case("layers/orphan", get("/orphan", "multi.test")),
    case("layers/childless", get("/", "childless.test")),
    case("layers/empty-refs", get("/", "empty-refs.test")),
    case("layers/parent-with-a-service", get("/child", "both.test")),
    case("layers/parent-with-a-service-no-child", get("/", "both.test")),
    case("services/nested-weighted", get("/", "nested.test")),
    case("services/host-of-the-server", get("/", "own.test")),
    case("services/recursive", get("/", "notype.test")),
]


def dynamic(url, closed):
    document = marked(ROUTERS, url)
    for router in document["http"]["routers"].values():
        if not router["service"]:
            del router["service"]
    document["http"]["middlewares"] |= {
        "admin": {"headers": {"customRequestHeaders": {"X-Role": "admin"}}},
        "to-new": {"addPrefix": {"prefix": "/new"}},
    }
    document["http"]["services"] |= {
        "outer": {"weighted": {"services": [{"name": "inner"}]}},
        "inner": {"weighted": {"services": [{"name": "echo", "weight": 2}, {"name": "refused", "weight": 0}]}},
        "refused": balancer(closed),
        "own-host": balancer(url, passHostHeader=False),
        "recursive": {"weighted": {"services": [{"name": "recursive-2"}]}},
        "recursive-2": {"weighted": {"services": [{"name": "recursive"}]}},
        "servers": {
            "loadBalancer": {
                "servers": [
                    {"url": f"{url}/three", "weight": 3, "preservePath": True},
                    {"url": f"{url}/one", "preservePath": True},
                    {"url": f"{url}/none", "weight": 0, "preservePath": True},
                ]
            }
        },
        "services": {"weighted": {"services": [{"name": "s5", "weight": 5}, {"name": "s2", "weight": 2}, {"name": "s1"}]}},
        **{
            name: {"loadBalancer": {"servers": [{"url": f"{url}/{name}", "preservePath": True}]}}
            for name in ("s5", "s2", "s1")
        },
        "same-twice": {"loadBalancer": {"servers": [{"url": f"{url}/{p}", "preservePath": True} for p in ("x", "x", "y")]}},
    }
    for name in ("servers", "services", "same-twice"):
        document["http"]["routers"][name] = {"rule": f"Host(`{name}.test`)", "service": name}
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_find_the_same_way(arena, case):
    await arena.compare(case)


@pytest.mark.parametrize(("host", "count"), [("servers", 24), ("services", 32), ("same-twice", 12)])
async def test_weights_give_the_same_shares(arena, host, count):
    shares = []
    for running in (arena.traefik, arena.pointsman):
        chosen = Counter()
        for _ in range(count):
            seen = await case("share", get("/", f"{host}.test"), answer(), probe=False).play(arena, running)
            chosen[seen["server:start"]] += 1
        shares.append(chosen)

    assert shares[0] == shares[1]
