"""What goes through the gateway, for `/api/traffic`: the totals of all workers, looked at every five seconds."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.control.knowledge import Knowledge
from pointsman.control.metering import Metering
from pointsman.control.slices import in_slices
from pointsman.control.totals import Owner, Owners
from pointsman.inspection.elements import Slices
from pointsman.inspection.history import STEP_SECONDS, STEPS, WINDOWS, History, Step
from pointsman.inspection.lists import BadParameter, Query, first
from pointsman.measures import Needs
from pointsman.values import shown_url

log = logging.getLogger("pointsman.control")

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
NEEDS: Final = Needs(entry_points=True, routers=True, services=True, servers=True, boundaries=BOUNDS)
GRPC_ERRORS: Final = frozenset(("2", "4", "12", "13", "14", "15"))
"""UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: servers' errors, as OpenTelemetry has it."""
SLICE: Final = 64
SHOWN: Final = 100
HISTORY: Final = 60
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "entryPoints": ("name",),
    "routers": ("name", "service"),
    "services": ("name",),
    "servers": ("service", "url"),
}


class Traffic:
    """Looks at the totals. `start`, then `told` whenever somebody asks, then `aclose`."""

    def __init__(self, metering: Metering, known: Knowledge) -> None:
        self._metering = metering
        self._known = known
        totals = metering.totals
        self._kinds: dict[str, tuple[History, Owners]] = {
            kind: (History(totals.needs.boundaries), owners)
            for kind, owners in zip(LABELS, (totals.points, totals.routers, totals.services, totals.servers), strict=True)
        }
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="traffic")

    async def aclose(self) -> None:
        """Safe without `start`, and twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            at = max(at + STEP_SECONDS, loop.time())
            await asyncio.sleep(at - loop.time())
            try:
                await self._metering.ask()
                await in_slices(self._stepping())
            except Exception:  # a mistake in here must not end it
                log.exception("traffic cannot be looked at")

    def _stepping(self) -> Slices[None]:
        for history, owners in self._kinds.values():
            history.begin()
            for number, (name, owner) in enumerate(list(owners.items())):
                if sum(cell.count for cell in owner.cells.values()) != history.counted(name):
                    history.note(name, _total(owner))
                if not number % SLICE:
                    yield
            yield from history.end(owners)

    async def told(self, query: Query) -> dict[str, Any]:
        """Rates and the last steps of all kinds, or of those asked for. BadParameter for what means nothing."""
        kinds = [kind for kind in first(query, "kind").split(",") if kind] or list(self._kinds)
        if unknown := [kind for kind in kinds if kind not in self._kinds]:
            raise BadParameter(f"invalid request: kind: {unknown[0]}; there are {', '.join(self._kinds)}")
        steps = _number(query, "history", HISTORY, STEPS)
        limit = _number(query, "limit", SHOWN, 1000)
        name = first(query, "name")
        load, states, condition = await asyncio.gather(
            self._known.ask_all("load", {}), self._known.ask_all("states", {}), self._known.condition()
        )
        connections, in_flight = _loads(load)

        def telling() -> Slices[dict[str, Any]]:
            told: dict[str, Any] = {
                "stepSeconds": STEP_SECONDS,
                "windows": {key: int(at * STEP_SECONDS) for key, at in WINDOWS.items()},
            }
            for kind in kinds:
                history, _ = self._kinds[kind]
                told[kind] = found = []
                for names in history.busiest(limit, lambda names: not name or name in names):
                    one = dict(zip(LABELS[kind], names, strict=True)) | history.told(names, steps)
                    if kind == "servers":
                        one["status"] = condition.word(names[0], shown_url(names[1]))
                    found.append(_with_load(kind, names, one, connections, in_flight))
                    yield
            return told

        told = await in_slices(telling())
        told["connections"] = connections
        told["untracked"] = {kind: self._kinds[kind][0].crowded_out for kind in kinds}
        told["states"] = _states(states)
        return told


def _total(owner: Owner) -> Step:
    """All cells of an owner together (`history`)."""
    requests = errors = client_errors = bytes_in = bytes_out = 0
    places: list[int] = []
    for key, cell in owner.cells.items():
        requests += cell.count
        bytes_in += cell.bytes_in
        bytes_out += cell.bytes_out
        places = [one + other for one, other in zip(places, cell.places, strict=True)] if places else cell.places
        if (key[0] >= "500" and len(key[0]) == 3) or key[0] in GRPC_ERRORS:
            errors += cell.count
        elif "400" <= key[0] < "500" and len(key[0]) == 3:
            client_errors += cell.count
    return [requests, errors, client_errors, bytes_in, bytes_out, *places]


def _loads(answers: Sequence[Sequence[Any]]) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Open connections by entry point, and what is under way by service and URL, of all workers together."""
    connections: dict[str, int] = {}
    in_flight: dict[tuple[str, str], int] = {}
    for part in (part for answer in answers for part in answer if isinstance(part, dict)):
        for point, count in _items(part.get("connections")):
            connections[point] = connections.get(point, 0) + _count(count)
        for service, servers in _items(part.get("inFlight")):
            for url, count in _items(servers):
                in_flight[service, url] = in_flight.get((service, url), 0) + _count(count)
    return connections, in_flight


def _with_load(
    kind: str,
    names: tuple[str, ...],
    one: dict[str, Any],
    connections: Mapping[str, int],
    in_flight: Mapping[tuple[str, str], int],
) -> dict[str, Any]:
    if kind == "entryPoints":
        one["connections"] = connections.get(names[0], 0)
    elif kind == "services":
        one["inFlight"] = sum(count for (service, _), count in in_flight.items() if service == names[0])
    elif kind == "servers":
        one["url"] = shown_url(one["url"])
        one["inFlight"] = in_flight.get((names[0], names[1]), 0)
    return one


def _states(answers: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """What middlewares tell of themselves, by router and middleware, each state with how many workers are in it."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for worker in answers:
        for told in (told for part in worker if isinstance(part, list) for told in part):
            if not (isinstance(told, list) and len(told) == 3 and isinstance(told[2], dict)):
                continue
            router, middleware, state = str(told[0]), str(told[1]), str(told[2].get("word", ""))
            since = told[2].get("since")
            one = found.setdefault(
                (router, middleware, state), {"router": router, "middleware": middleware, "state": state, "workers": 0}
            )
            one["workers"] += 1
            if isinstance(since, int | float):
                one["since"] = min(since, one.get("since", since))
    return list(found.values())


def _number(query: Query, name: str, default: int, most: int) -> int:
    text = first(query, name)
    if text and not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise BadParameter(f"invalid request: {name}: give a number up to {most}")
    return int(text) if text else default


def _items(said: Any) -> list[tuple[str, Any]]:
    return list(said.items()) if isinstance(said, dict) else []


def _count(said: Any) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) else 0
