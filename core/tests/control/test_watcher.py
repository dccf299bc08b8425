import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pointsman.builtin.file import FileConfig, FileProvider
from pointsman.config.static import Providers, Static
from pointsman.control.context import Context
from pointsman.control.merge import Delta
from pointsman.control.providers import build_providers
from pointsman.control.watcher import Watcher, read_once
from pointsman.errors import ConfigError, Problem
from pointsman.plugins import Registry
from pointsman.testing.wire import eventually


def routers(**elements: Any) -> dict[str, Any]:
    return {"http": {"routers": elements}}


A = routers(a={"rule": "Host(`a`)", "service": "s"})
B = routers(b={"rule": "Host(`b`)", "service": "s"})
BAD = routers(a={"rule": "Host(`a`)", "service": "s", "foo": 1})


class Scripted:
    """A provider that says what the test tells it to."""

    name = "scripted"
    Config = object

    def __init__(self, config: Any = None, context: Any = None) -> None:
        self.attempts = 0
        self.refreshed = 0
        self.closed = 0
        self.publish: Any = None
        self.trouble: asyncio.Future[None] | None = None

    async def provide(self, publish: Any) -> None:
        self.attempts += 1
        self.publish = publish
        self.trouble = asyncio.get_running_loop().create_future()
        await self.trouble

    def fail(self, error: Exception) -> None:
        assert self.trouble is not None
        self.trouble.set_exception(error)

    def refresh(self) -> None:
        self.refreshed += 1

    async def aclose(self) -> None:
        self.closed += 1


class Failing(Scripted):
    async def provide(self, publish: Any) -> None:
        self.attempts += 1
        raise ConnectionError("nobody there")


class Pauses:
    """A clock the test moves: pauses last until they are let go."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._open = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._open.wait()

    def let_go(self) -> None:
        self._open.set()
        self._open = asyncio.Event()


class Heard:
    """What the watcher handed on."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Delta, list[Problem]]] = []

    async def __call__(self, tree: Any, delta: Delta, problems: Any) -> None:
        self.calls.append((tree, delta, list(problems)))

    @property
    def names(self) -> set[str]:
        return set(self.calls[-1][0]["http.routers"])


@asynccontextmanager
async def watching(
    *providers: tuple[str, Any], throttle: float = 0.0, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncIterator[tuple[Watcher, Heard]]:
    heard = Heard()
    watcher = Watcher(providers, {}, throttle, heard, pause=pause)
    watcher.start()
    try:
        yield watcher, heard
    finally:
        await watcher.aclose()


async def settled() -> None:
    """Let everything that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def saying(*providers: Scripted) -> None:
    await eventually(lambda: all(provider.publish for provider in providers))


async def test_a_provider_is_awaited_until_what_it_says_was_handed_on():
    one, two = Scripted(), Scripted()
    async with watching(("one", one), ("two", two)) as (watcher, heard):
        await saying(one, two)
        assert watcher.awaited == ["one", "two"]
        one.publish(A)
        await settled()
        assert watcher.awaited == ["one", "two"]  # the first configuration waits for both
        two.fail(OSError("away"))
        await watcher.first_ready.wait()
        assert watcher.awaited == ["two"]
        await eventually(lambda: two.attempts == 2)
        two.publish(B)
        await eventually(lambda: not watcher.awaited)
        assert heard.names == {"a@one", "b@two"}


async def test_the_first_configuration_comes_when_all_have_spoken():
    one, two = Scripted(), Scripted()
    async with watching(("one", one), ("two", two)) as (watcher, heard):
        await saying(one, two)
        one.publish(A)
        await settled()
        assert not watcher.first_ready.is_set()
        two.publish(B)
        await watcher.first_ready.wait()
        assert heard.names == {"a@one", "b@two"}
        assert len(heard.calls) == 1


async def test_a_provider_that_says_nothing_holds_up_the_first_configuration_for_a_second_only():
    one, two = Scripted(), Scripted()
    async with watching(("one", one), ("two", two)) as (watcher, heard):
        await saying(one, two)
        one.publish(A)
        await asyncio.wait_for(watcher.first_ready.wait(), 10)
        assert heard.names == {"a@one"}


async def test_without_providers_there_is_an_empty_configuration():
    async with watching() as (watcher, heard):
        await watcher.first_ready.wait()
        assert [delta for _, delta, _ in heard.calls] == [Delta()]


async def test_changes_of_one_moment_are_handed_on_together():
    one, two = Scripted(), Scripted()
    async with watching(("one", one), ("two", two)) as (watcher, heard):
        await saying(one, two)
        one.publish(A)
        two.publish(A)
        await watcher.first_ready.wait()
        one.publish(B)
        two.publish(B)
        await eventually(lambda: heard.names == {"b@one", "b@two"})
        assert len(heard.calls) == 2


async def test_an_equal_message_is_dropped():
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        one.publish(routers(a=dict(A["http"]["routers"]["a"])))
        one.publish({})
        await settled()
        assert len(heard.calls) == 1


async def test_an_empty_section_clears_and_an_absent_one_does_not():
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        one.publish({"http": {}})
        await settled()
        assert heard.names == {"a@one"}
        one.publish({"http": {"routers": {}}})
        await eventually(lambda: heard.names == set())
        assert heard.calls[-1][1] == Delta(delete={"http.routers": ["a@one"]})


@pytest.mark.spec("P-6", "R-35")
async def test_a_refused_document_leaves_the_last_good_one_and_says_why_once():
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        for _ in range(3):
            one.publish(BAD)
            await settled()
        assert len(heard.calls) == 2
        assert heard.names == {"a@one"}
        assert not heard.calls[-1][1]
        assert "http.routers.a@one" in str(heard.calls[-1][2][0])
        assert "foo" in str(watcher.problems[0])
        one.publish(A)
        await eventually(lambda: watcher.problems == [])


async def test_a_provider_was_last_good_when_nothing_it_read_was_broken():
    one = Scripted()
    async with watching(("one", one)) as (watcher, _):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        good = watcher.states["one"].last_success
        one.publish(A, [Problem("routes.yml:3:1", "a value was expected here")])
        await eventually(lambda: watcher.problems)
        state = watcher.states["one"]
        assert (state.last_success, state.last_error) == (good, "routes.yml:3:1: a value was expected here")
        one.publish(A, [Problem("routes.yml", "is old", warning=True)])
        await eventually(lambda: watcher.states["one"].last_success != good)


@pytest.mark.spec("P-7")
async def test_an_unknown_root_key_is_ignored():
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish({**A, "unheard": {"of": 1}})
        await watcher.first_ready.wait()
        assert heard.names == {"a@one"}
        assert watcher.problems == []


@pytest.mark.spec("P-8")
async def test_the_case_of_keys_does_not_matter():
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish({"HTTP": {"Routers": {"r": {"RULE": "Host(`a`)", "SERVICE": "s"}}}})
        await watcher.first_ready.wait()
        assert heard.names == {"r@one"}


@pytest.mark.spec("P-25")
async def test_a_burst_gives_the_first_at_once_and_then_only_the_last():
    one, pauses = Scripted(), Pauses()
    async with watching(("one", one), throttle=2.0, pause=pauses) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        for number in range(20):
            one.publish(routers(**{f"r{number}": {"rule": "Host(`x`)", "service": "s"}}))
            await settled()
        assert heard.names == {"a@one"}
        assert pauses.asked == [2.0]
        pauses.let_go()
        await eventually(lambda: heard.names == {"r19@one"})
        assert len(heard.calls) == 2


async def test_a_provider_that_fails_is_started_again_and_what_it_said_stays(caplog):
    one, two, pauses = Scripted(), Scripted(), Pauses()
    with caplog.at_level(logging.ERROR):
        async with watching(("one", one), ("two", two), pause=pauses) as (watcher, heard):
            await saying(one, two)
            one.publish(A)
            two.publish(A)
            await watcher.first_ready.wait()
            one.fail(ConnectionError("gone"))
            await eventually(lambda: pauses.asked)
            state = watcher.states["one"]
            assert (state.running, state.last_error) == (False, "ConnectionError: gone")
            assert state.last_error_at is not None
            assert state.next_try is not None
            assert state.next_try - state.last_error_at == pytest.approx(pauses.asked[0])
            assert 0.25 <= pauses.asked[0] <= 0.75
            assert "providers.one" in str(watcher.problems)
            two.publish(B)
            await eventually(lambda: heard.names == {"a@one", "b@two"})
            pauses.let_go()
            await eventually(lambda: one.attempts == 2)
            one.publish(A)
            await eventually(lambda: watcher.problems == [])
            assert watcher.states["one"].running
    assert [record.getMessage() for record in caplog.records] == [
        f"provider one: ConnectionError: gone; trying again in {pauses.asked[0]:.1f} s"
    ]


async def test_a_provider_that_fails_at_once_does_not_hold_up_the_first_configuration():
    one, two, pauses = Scripted(), Failing(), Pauses()
    async with watching(("one", one), ("two", two), pause=pauses) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        assert heard.names == {"a@one"}
        assert two.attempts == 1


@pytest.mark.parametrize("nonsense", [[], 7, "text", {"http": 1}, {"http": {"routers": []}}, {"http": {"nope": {}}}])
async def test_a_provider_may_say_anything_at_all(nonsense):
    one = Scripted()
    async with watching(("one", one)) as (watcher, heard):
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        one.publish(nonsense)
        await settled()
        one.publish(B)
        await eventually(lambda: heard.names == {"b@one"})


async def test_a_receiver_that_fails_gets_all_that_changed_with_the_next_change():
    one = Scripted()
    deltas: list[Delta] = []

    async def receive(tree: Any, delta: Delta, problems: Any) -> None:
        deltas.append(delta)
        if len(deltas) == 1:
            raise OSError("a worker died")

    watcher = Watcher([("one", one)], {}, 0, receive)
    watcher.start()
    try:
        await saying(one)
        one.publish(A)
        await watcher.first_ready.wait()
        one.publish(routers(**A["http"]["routers"], **B["http"]["routers"]))
        await eventually(lambda: len(deltas) == 2)
        assert set(deltas[1].set["http.routers"]) == {"a@one", "b@one"}
    finally:
        await watcher.aclose()


async def test_refresh_asks_everyone_and_closing_twice_is_safe():
    one, two = Scripted(), Scripted()
    async with watching(("one", one), ("two", two)) as (watcher, _):
        watcher.refresh()
        assert (one.refreshed, two.refreshed) == (1, 1)
        await watcher.aclose()
        assert one.closed == 1


@pytest.mark.spec("P-1", "P-2")
async def test_file_and_another_provider_meet_in_one_tree(tmp_path):
    (tmp_path / "a.yml").write_text("http: {routers: {r: {rule: Host(`a`), service: s@docker}}}")
    files = FileProvider(FileConfig(filename=str(tmp_path / "a.yml")), Context("file", {}))
    docker = Scripted()
    async with watching(("file", files), ("docker", docker)) as (watcher, heard):
        await saying(docker)
        docker.publish({"http": {"services": {"s": {"loadBalancer": {"servers": [{"url": "http://a"}]}}}}})
        await watcher.first_ready.wait()
        tree = heard.calls[-1][0]
        assert tree["http.routers"]["r@file"]["service"] == "s@docker"
        assert "s@docker" in tree["http.services"]


class Misconfigured(Scripted):
    name = "docker"

    def __init__(self, config: Any, context: Any) -> None:
        raise ConfigError(Problem("providers.docker.defaultRule", "the template does not parse"))


@pytest.mark.spec("P-28")
async def test_a_provider_that_cannot_be_built_is_named_and_the_file_is_served(tmp_path):
    (tmp_path / "a.yml").write_text("http: {routers: {r: {rule: Host(`a`), service: s}}}")
    static = Static(providers=Providers(kinds={"docker": None, "file": FileConfig(filename=str(tmp_path / "a.yml"))}))
    registry = Registry(providers={"docker": Misconfigured, "file": FileProvider})
    providers, contexts, problems = build_providers(static, registry)
    assert [problem.path for problem in problems] == ["providers.docker.defaultRule"]
    heard = Heard()
    watcher = Watcher(providers, {}, 0, heard, contexts=contexts)
    watcher.start()
    try:
        await watcher.first_ready.wait()
        assert "r@file" in heard.names
    finally:
        await watcher.aclose()


def test_reading_once_gives_tree_and_problems_without_running_anything(tmp_path):
    (tmp_path / "a.yml").write_text("http: {routers: {r: {rule: Host(`a`), service: s}}}")
    (tmp_path / "b.yml").write_text("http: {routers: {r: {rule: Host(`a`), foo: s}}}")
    files = FileProvider(FileConfig(directory=str(tmp_path)), Context("file", {}))
    tree, problems, silent = read_once([("file", files), ("docker", Failing())], {})
    assert list(tree["http.routers"]) == ["r@file"]
    assert [problem.path for problem in problems] == [f"{tmp_path}/b.yml: http.routers.r", "providers.docker"]
    assert silent == {"docker"}


def test_a_provider_has_no_services_and_no_middlewares():
    context = Context("docker", {})
    with pytest.raises(ConfigError, match=r"providers\.docker: a provider serves no requests"):
        context.handler_for("s")
    with pytest.raises(ConfigError, match=r"providers\.docker"):
        context.chain(["m"])


def test_what_is_wrong_with_keys_names_the_store():
    with pytest.raises(ConfigError, match=r"^redis: http/routers/r/nope: unknown key 'nope'"):
        Context("redis", {}).from_keys({"http/routers/r/nope": "x"})
