"""What a worker does with what it hears of servers (routing.md §5.4; §9, row 4)."""

import asyncio
import weakref
from collections.abc import Awaitable
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.control.merge import Tree, merge
from pointsman.plugins import load_registry
from pointsman.testing import eventually
from pointsman.worker import Worker

A, B, C = (f"http://{name}.example" for name in "abc")


def tree(previous: Tree | None = None, **services: Any) -> Tree:
    merged, problems = merge({"file": {"http": {"services": services}}}, previous)
    assert not problems
    return merged


def service(*urls: str, **options: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], "healthCheck": {"path": "/"}, **options}}


def unchecked(*urls: str, **options: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **options}}


def worker() -> Worker:
    return Worker(Static(entry_points={"web": EntryPoint(":80")}), load_registry(entry_point_plugins=False), {})


def ready(worker: Worker, name: str = "s@file") -> dict[str, bool]:
    return {peer.url: peer.ready for peer in worker.compiled.services[name].peers}


async def test_news_turn_peers_at_once():
    one = worker()
    await one.apply(tree(s=service(A, B)))
    one.learn({"s@file": {A: False}, "gone@file": {A: False}})
    assert ready(one) == {A: False, B: True}
    one.learn({"s@file": {A: True}})
    assert ready(one) == {A: True, B: True}


@pytest.mark.spec("R-108")
async def test_a_new_configuration_knows_what_the_old_one_knew_before_it_is_asked():
    one = worker()
    before = tree(s=service(A, B), t=service(A))
    await one.apply(before)
    one.learn({"s@file": {A: False}})
    await one.apply(tree(before, s=service(A, B, C), t=service(A)))
    assert ready(one) == {A: False, B: True, C: True}
    assert ready(one, "t@file") == {A: True}, "another service, another check"


async def test_news_that_come_before_the_first_configuration_are_not_lost():
    one = worker()
    one.learn({"s@file": {A: False}})
    await one.apply(tree(s=service(A)))
    assert ready(one) == {A: False}


async def test_news_that_come_while_a_configuration_is_compiled_are_not_lost():
    one = worker()
    before = tree(s=service(A))
    await one.apply(before)
    applying = asyncio.ensure_future(one.apply(tree(before, s=service(A, B))))
    await asyncio.sleep(0)
    one.learn({"s@file": {A: False}})
    await applying
    assert ready(one) == {A: False, B: True}


async def test_a_service_that_did_not_change_keeps_what_its_answers_said():
    one = worker()
    before = tree(s=service(A, B, passiveHealthCheck={"maxFailedAttempts": 1}))
    await one.apply(before)
    one.learn({"s@file": {A: False}})
    entry = one.compiled.services["s@file"]
    entry.handler.judge.judge(entry.peers[1], 500)  # type: ignore[attr-defined]
    await one.apply(tree(before, s=service(A, B, passiveHealthCheck={"maxFailedAttempts": 1}), t=service(C)))
    assert ready(one) == {A: False, B: False}


async def test_a_service_that_changed_keeps_what_its_answers_said_of_servers_that_stay():
    """Servers come and go in an orchestrator all the time; that brings nobody back early."""
    judged = {"passiveHealthCheck": {"failureWindow": "1h"}, "outlierDetection": {"consecutive5xxErrors": 1}}
    one = worker()
    before = tree(s=service(A, B, slowStart="1h", **judged), t=unchecked(A, B, C, **judged))
    await one.apply(before)
    for name in ("s@file", "t@file"):
        entry = one.compiled.services[name]
        entry.handler.judge.judge(entry.peers[0], 500)  # type: ignore[attr-defined]
    between = tree(before, s=service(A, B, C, slowStart="1h", **judged), t=unchecked(A, B, **judged))
    await one.apply(between)
    assert ready(one) == {A: False, B: True, C: True}
    assert ready(one, "t@file") == {A: False, B: True}
    warming = one.compiled.services["s@file"].care.slow_start
    assert warming is not None
    assert [peer.url for peer in warming.warming] == [C]
    one.learn({"s@file": {A: True}})
    assert [peer.url for peer in warming.warming] == [C, A]
    await one.apply(tree(between, s=service(A, B, C), t=unchecked(A, B)))
    assert ready(one) == {A: True, B: True, C: True}
    assert ready(one, "t@file") == {A: True, B: True}


async def test_an_ejected_server_stays_so_when_another_one_comes():
    config = {"outlierDetection": {"consecutive5xxErrors": 1}}
    one = worker()
    before = tree(s=unchecked(A, B, **config))
    await one.apply(before)
    entry = one.compiled.services["s@file"]
    entry.handler.judge.judge(entry.peers[0], 500)  # type: ignore[attr-defined]
    await one.apply(tree(before, s=unchecked(A, B, C, **config)))
    assert ready(one) == {A: False, B: True, C: True}


async def test_where_there_is_no_check_any_more_nobody_is_down():
    one = worker()
    before = tree(s=service(A))
    await one.apply(before)
    one.learn({"s@file": {A: False}})
    await one.apply(tree(before, s={"loadBalancer": {"servers": [{"url": A}]}}))
    assert ready(one) == {A: True}


async def test_who_looks_at_a_service_from_above_hears_of_its_end():
    one = worker()
    await one.apply(tree(s=service(A)))
    heard: list[bool] = []
    health = one.compiled.services["s@file"].health
    assert health is not None
    health.watch(heard.append)
    one.learn({"s@file": {A: False}})
    one.learn({"s@file": {A: True}})
    assert heard == [False, True]


async def test_pools_of_servers_that_are_in_no_service_any_more_are_forgotten():
    one = worker()
    pools = one.compiler.default_transport.transport._pools
    first = tree(s=service(A, B))
    await one.apply(first)
    assert {host for _, _, host, _ in pools} == {"a.example", "b.example"}
    kept = one.compiled.services["s@file"].peers[1].pool
    await one.apply(tree(first, s=service(B, C)))
    await asyncio.gather(*one._closing)
    assert {host for _, _, host, _ in pools} == {"b.example", "c.example"}
    assert one.compiled.services["s@file"].peers[0].pool is kept


async def test_a_server_that_has_left_keeps_no_idle_connection_and_who_began_before_may_still_use_it():
    one = worker()
    pools = one.compiler.default_transport.transport._pools
    first = tree(s=service(A))
    await one.apply(first)
    pool = one.compiled.services["s@file"].peers[0].pool
    snapshot = one.current.snapshot
    snapshot.holders += 1
    await one.apply(tree(first, s=service(B)))
    await asyncio.gather(*one._closing)
    assert {host for _, _, host, _ in pools} == {"b.example"}
    pool.opened()
    assert not pool.give("a connection"), "it is not kept"
    snapshot.holders -= 1
    snapshot.on_free()


@frozen
class WordConfig:
    word: str = ""


class Word:
    name: ClassVar[str] = "word"
    Config: ClassVar[type] = WordConfig
    alive: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()

    def __init__(self, config: WordConfig, context: BuildContext) -> None:
        self.alive.add(self)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return call_next(request)


class Plugin:
    @hookimpl
    def pointsman_middlewares(self) -> list[type[Middleware]]:
        return [Word]


async def test_a_configuration_that_nobody_uses_any_more_takes_no_memory():
    one = Worker(Static(entry_points={"web": EntryPoint(":80")}), load_registry(Plugin(), entry_point_plugins=False), {})
    built = 0
    for number in range(5):
        document = {
            "routers": {"r": {"rule": "PathPrefix(`/`)", "service": "s", "middlewares": ["w"]}},
            "services": {"s": unchecked(A)},
            "middlewares": {"w": {"word": {"word": f"{number}"}}},
        }
        merged, _ = merge({"file": {"http": document}})
        assert not await one.apply(merged)
        built = len(Word.alive) if not number else built
    await eventually(lambda: len(Word.alive) == built, "only what is in use is left")
