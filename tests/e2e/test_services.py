"""Requests are shared out as the weights say (routing.md section 5.1, 5.2, 6.3)."""

from collections import Counter

import pytest
import pytest_asyncio

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


def weighing(**weights):
    return {"loadBalancer": {"servers": [{"url": url, **weight} for url, weight in weights.values()]}}


def dynamic(urls):
    a, b, c = urls["a"], urls["b"], urls["c"]
    services = {
        "empty": balancer(),
        "three-to-one": weighing(a=(a, {"weight": 3}), b=(b, {"weight": 1})),
        "one-never": weighing(a=(a, {"weight": 3}), b=(b, {}), c=(c, {"weight": 0})),
        "of-services": {"weighted": {"services": [{"name": "a", "weight": 2}, {"name": "b"}, {"name": "c", "weight": 0}]}},
        "nothing-left": {"weighted": {"services": [{"name": "a", "weight": 0}]}},
        "twice": balancer(a, a, b),
        "own-host": balancer(a, passHostHeader=False),
        "path-ignored": balancer(f"{a}/base/x?z=1"),
        "path-kept": {"loadBalancer": {"servers": [{"url": f"{a}/base/x?z=1", "preservePath": True}]}},
    }
    return routed({name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}, urls, **services)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic) as stage:
        yield stage


async def shares(stage, host, count):
    async with stage.connect() as client:
        return Counter([(await client.get("/", host)).body for _ in range(count)])


@pytest.mark.spec("R-3")
@pytest.mark.parametrize("host", ["empty.test", "nothing-left.test"])
async def test_without_a_server_the_service_is_unavailable(stage, host):
    answer = await stage.get("/", host)

    assert (answer.status, answer.body) == (503, b"no available server\n")
    assert answer.get("x-content-type-options") == "nosniff"


@pytest.mark.spec("R-38")
async def test_weights_of_three_and_one_give_eighteen_to_six(stage):
    assert await shares(stage, "three-to-one.test", 24) == {b"a": 18, b"b": 6}


@pytest.mark.spec("R-39")
async def test_a_weight_of_zero_gives_nothing(stage):
    assert await shares(stage, "one-never.test", 24) == {b"a": 18, b"b": 6}
    assert await shares(stage, "of-services.test", 12) == {b"a": 8, b"b": 4}


async def test_a_server_named_twice_gets_twice(stage):
    assert await shares(stage, "twice.test", 12) == {b"a": 8, b"b": 4}


@pytest.mark.spec("R-60")
async def test_a_server_may_get_its_own_host(stage):
    seen = await stage.seen(head("GET / HTTP/1.1", "Host: own-host.test:81"))

    assert seen.get("host") == stage["a"].url.removeprefix("http://")
    assert seen.get("x-forwarded-host") == "own-host.test:81"


@pytest.mark.spec("R-61")
@pytest.mark.parametrize(("host", "target"), [("path-ignored.test", b"/q?a=1"), ("path-kept.test", b"/base/x/q?a=1")])
async def test_the_path_of_a_servers_url_counts_if_it_is_asked_for(stage, host, target):
    assert (await stage.seen(head("GET /q?a=1 HTTP/1.1", f"Host: {host}"))).target == target
