"""Which signals follow which routers, on which entry points (operations.md §5.5)."""

from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.compile import Compiler, Surroundings
from pointsman.compile.middlewares import as_step
from pointsman.config.entrypoint_model import EntryPoint, EntryPointObservability
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.observe.observer import Silent, Watched
from pointsman.plugins import load_registry
from pointsman.testing import a_request, answering


class Listed:
    """A signal that keeps what it was asked to watch."""

    def __init__(self, key: str, add_internals: bool = False) -> None:
        self.key = key
        self.add_internals = add_internals
        self.watched: list[Watched] = []

    def watch(self, watched: Watched) -> Silent:
        self.watched.append(watched)
        return Silent()

    @property
    def routes(self) -> list[tuple[str, str]]:
        return sorted((each.entry_point, each.router) for each in self.watched)


POINTS = {
    "web": EntryPoint(":80"),
    "quiet": EntryPoint(":81", observability=EntryPointObservability(access_logs=False, trace_verbosity="detailed")),
}
ROUTERS: dict[str, Any] = {
    "plain@file": {"rule": "Path(`/plain`)", "service": "s"},
    "off@file": {"rule": "Path(`/off`)", "service": "s", "observability": {"accessLogs": False, "metrics": False}},
    "on@file": {"rule": "Path(`/on`)", "service": "s", "observability": {"accessLogs": True, "traceVerbosity": "minimal"}},
    "own@file": {"rule": "Path(`/own`)", "service": "ping@internal"},
}
TREE = {
    "http.routers": ROUTERS,
    "http.services": {"s@file": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}},
}


def compiled(*signals: Listed) -> Any:
    static = Static(entry_points=POINTS)
    registry = load_registry(entry_point_plugins=False)
    internal: Any = {"ping@internal": lambda request: None}
    compiler = Compiler(Surroundings(static, registry, Deadlines(), internal, signals=signals))
    return compiler.compile_now(TREE)


def on_both(*routers: str) -> list[tuple[str, str]]:
    """On `quiet`, whose observability is its own, a router has a name of its own (operations.md §1.9)."""
    plain = [("web", f"{router}@file" if router else "") for router in routers]
    return sorted([*plain, *(("quiet", f"quiet-{router}" if router else "") for _, router in plain)])


def test_without_signals_nobody_follows_anything() -> None:
    found = compiled()
    assert found.snapshot.unrouted == {}
    assert all(row.entry.target.observers is None for row in found.rows.values())


def test_the_router_decides_then_the_entry_point() -> None:
    logs, metrics = Listed("access_logs"), Listed("metrics")
    compiled(logs, metrics)
    assert logs.routes == sorted([("web", ""), ("web", "plain@file"), *on_both("on")])
    assert metrics.routes == on_both("", "plain", "on")


def test_services_of_the_gateway_itself_are_followed_only_if_asked_for() -> None:
    metrics = Listed("metrics", add_internals=True)
    compiled(metrics)
    assert metrics.routes == on_both("", "plain", "on", "own")


def test_what_is_watched_says_how_verbosely() -> None:
    tracing = Listed("tracing")
    compiled(tracing)
    detailed = sorted((each.entry_point, each.router) for each in tracing.watched if each.verbose)
    assert detailed == [("quiet", ""), ("quiet", "quiet-off@file"), ("quiet", "quiet-plain@file")]


def test_a_watched_router_is_known_with_its_service_and_rule() -> None:
    tracing = Listed("tracing")
    found = compiled(tracing)
    assert Watched("web", "plain@file", "s@file", "Path(`/plain`)") in tracing.watched
    observers = [found.rows[name].entry.target.observers for name in ("plain@file", "quiet-plain@file")]
    assert [set(each) for each in observers] == [{"web"}, {"quiet"}]
    assert set(found.snapshot.unrouted) == set(POINTS)


@pytest.mark.parametrize("again", [False, True])
def test_a_router_that_did_not_change_keeps_who_follows_it(again: bool) -> None:
    tracing = Listed("tracing")
    static = Static(entry_points=POINTS)
    compiler = Compiler(Surroundings(static, load_registry(entry_point_plugins=False), Deadlines(), signals=[tracing]))
    first = compiler.compile_now(TREE)
    asked = len(tracing.watched)
    compiler.compile_now(TREE, first if again else None)
    assert (len(tracing.watched) == asked) is again


def stepped(*signals: Listed) -> set[str]:
    """Routers whose handler is a step of traces."""
    rows = compiled(*signals).rows
    return {name for name, row in rows.items() if "step" in getattr(row.entry.target.handler, "__qualname__", "")}


def test_only_what_may_be_traced_step_by_step_has_steps() -> None:
    assert stepped(Listed("tracing")) == {"quiet-plain@file", "quiet-off@file", "quiet-own@file"}
    assert stepped(Listed("metrics"), Listed("access_logs")) == set()


def test_steps_are_named_by_the_type_of_their_middleware() -> None:
    class Handled:
        name = "addPrefix"

        def __call__(self, request: Any, call_next: Any) -> Any:
            return call_next(request)

    def names(instance: Any) -> list[str]:
        begun: list[str] = []
        request = a_request()
        detail = SimpleNamespace(step=lambda request, name, attributes: begun.append(f"{name} {attributes[0][1]}"))
        request.exchange.span = SimpleNamespace(trace=SimpleNamespace(detail=detail, recording=True))
        as_step("a@file", instance)(answering(200))(request)
        return begun

    handled = Handled()
    assert names(handled) == ["AddPrefix a@file"]
    handled.span_name = "Other"  # type: ignore[attr-defined]
    assert names(handled) == ["Other a@file"]
    handled.span_name = ""  # type: ignore[attr-defined]
    assert names(handled) == []
