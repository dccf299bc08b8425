"""A change is live at once, and nobody's request notices (routing.md section 4.5)."""

import asyncio

import pytest

from pointsman.testing import answer

from .stage import routed, staged

ECHO = {"echo": "Host(`a.test`)"}


@pytest.mark.spec("R-105", "P-1")
async def test_a_kept_connection_follows_the_new_configuration_from_its_next_request():
    async with staged(lambda urls: routed(ECHO, urls)) as stage, stage.connect() as client:
        assert (await client.get("/", "a.test")).body == b"a"

        await stage.gateway.update(routed({"echo": {"rule": "Host(`a.test`)", "service": "b@file"}}, stage.urls))
        assert (await client.get("/", "a.test")).body == b"b"

        async def gone():
            return (await client.get("/", "a.test")).status == 404

        await stage.gateway.update({}, until=gone)


@pytest.mark.spec("P-26")
async def test_a_request_that_runs_ends_as_it_began():
    async with staged(lambda urls: routed(ECHO, urls)) as stage, stage.connect() as client:
        gate = asyncio.Event()
        stage["a"].answers([gate, *answer(200, {}, b"slow a")])
        await client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        await stage["a"].received(1)

        await stage.gateway.update(routed({"echo": {"rule": "Host(`a.test`)", "service": "b"}}, stage.urls))
        assert (await stage.get("/", "a.test")).body == b"b"
        gate.set()
        assert (await client.message()).body == b"slow a"
        assert (await client.get("/", "a.test")).body == b"b"


@pytest.mark.spec("R-107")
async def test_of_two_routers_that_tie_the_same_one_wins_after_every_reload():
    rules = {
        "zeta": {"rule": "Host(`tie.test`) && PathPrefix(`/a`)", "service": "a"},
        "alpha": {"rule": "PathPrefix(`/a`) && Host(`tie.test`)", "service": "b"},
        "wild": {"rule": "Host(`*.wc.test`)", "service": "a"},
        "exact": {"rule": "Host(`x.wc.test`)", "service": "b"},
    }
    assert len(rules["wild"]["rule"]) == len(rules["exact"]["rule"])
    async with staged(lambda urls: routed(rules, urls)) as stage:
        winners = set()
        for turn in range(5):
            turned = dict(reversed(rules.items())) if turn % 2 else rules
            await stage.gateway.update(routed({**turned, f"other-{turn}": "Host(`other.test`)"}, stage.urls))
            winners.add(((await stage.get("/a", "tie.test")).body, (await stage.get("/", "x.wc.test")).body))
        assert winners == {(b"b", b"b")}


@pytest.mark.spec("R-35", "R-36", "P-6")
@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        ({"routers": {"odd": {"rule": "Host(`odd.test`)", "service": "a", "foo": 1}}}, "unknown key 'foo'"),
        ({"services": {"half": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1", "weight": 1.5}]}}}}, "weight"),
    ],
    ids=["an unknown key", "half a weight"],
)
async def test_a_file_with_a_mistake_keeps_what_it_said_before_and_the_log_names_the_mistake(mistake, named):
    async with staged(lambda urls: routed(ECHO, urls)) as stage:
        document = routed({"echo": {"rule": "Host(`a.test`)", "service": "b"}, "new": "Host(`new.test`)"}, stage.urls)
        for section, elements in mistake.items():
            document["http"][section] |= elements
        await stage.gateway.update(document, until=lambda: named in stage.gateway.log())
        await stage.gateway.live()

        assert (await stage.get("/", "a.test")).body == b"a"
        assert (await stage.get("/", "new.test")).status == 404


async def test_a_file_that_cannot_be_read_keeps_what_it_said():
    async with staged(lambda urls: routed(ECHO, urls)) as stage:
        await stage.gateway.update("http: [", until=lambda: "dynamic.yml" in stage.gateway.log())
        await stage.gateway.live()
        assert (await stage.get("/", "a.test")).body == b"a"

        await stage.gateway.update(routed({"echo": {"rule": "Host(`a.test`)", "service": "b"}}, stage.urls))
        assert (await stage.get("/", "a.test")).body == b"b"


@pytest.mark.parametrize("workers", [1, 2])
async def test_no_request_fails_while_the_configuration_changes_under_load(workers):
    async with staged(lambda urls: routed(ECHO, urls), servers=["a", "b"], workers=workers) as stage:
        over = False
        seen = set()

        async def load():
            async with stage.connect() as client:
                while not over:
                    got = await client.get("/", "a.test")
                    seen.add((got.status, got.body))

        clients = [asyncio.create_task(load()) for _ in range(4)]
        for turn in range(6):
            service = "ab"[(turn + 1) % 2]
            await stage.gateway.update(routed({"echo": {"rule": "Host(`a.test`)", "service": service}}, stage.urls))
        over = True
        await asyncio.gather(*clients)

        assert seen == {(200, b"a"), (200, b"b")}
