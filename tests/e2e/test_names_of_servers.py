"""Servers that are called by name, over HTTP and TCP."""

import pytest

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")
STATIC = {"entryPoints": {"web": {"address": "127.0.0.1:0"}, "tcp": {"address": "127.0.0.1:0"}}}


def by_name(urls):
    port = urls["a"].rpartition(":")[2]
    services = {"a": balancer(f"http://localhost:{port}"), "nobody": balancer("http://nobody.invalid")}
    rules = {"all": "Host(`a.test`)", "nobody": {"rule": "Host(`nobody.test`)", "service": "nobody"}}
    return routed(rules, urls, **services) | {
        "tcp": {
            "routers": {"all": {"rule": "HostSNI(`*`)", "service": "a", "entryPoints": ["tcp"]}},
            "services": {"a": {"loadBalancer": {"servers": [{"address": f"localhost:{port}"}]}}},
        }
    }


async def test_a_name_is_as_good_as_an_address_and_one_that_nobody_has_is_a_502():
    async with staged(by_name, STATIC, servers=["a"]) as stage:
        for _ in range(2):
            assert (await stage.get("/", "a.test")).body == b"a"
            assert (await stage.get("/", "nobody.test")).status == 502
        assert (await stage.ask(head("GET / HTTP/1.1", "Host: a.test"), "tcp")).body == b"a"
