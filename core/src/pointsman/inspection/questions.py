"""What the control side may ask a worker, and the answers: plain data for JSON, in parts.

Each answer is a generator: None gives the loop back for a while, anything else is a part of the answer.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
from attrs import frozen

from pointsman.compile import Compiled
from pointsman.compile.parts import ROUTERS, Status
from pointsman.config.static import Static
from pointsman.inspection.explaining import Asking, explaining

SLICE: Final = 256
PART: Final = 500


@frozen
class Witness:
    """What a worker knows when it is asked."""

    static: Static
    compiled: Compiled
    connections: Mapping[str, int]
    """Open, by entry point."""


Answer = Iterator[Any]


def answering(witness: Witness, question: str, arguments: Mapping[str, Any]) -> Answer:
    """KeyError for a question that nobody knows."""
    return _ANSWERS[question](witness, arguments)


def _statuses(witness: Witness, arguments: Mapping[str, Any]) -> Answer:
    """Every element that is not well: section -> name -> [word, messages]; the copies of a router under their own names."""
    compiled = witness.compiled
    copied = {copy.router for copy in compiled.copies.values()}
    for section, statuses in compiled.statuses.items():
        told: dict[str, Any] = {}
        for number, (name, status) in enumerate(statuses.items()):
            if status.problems and not (section == ROUTERS and name in copied):
                told[name] = _status(status, f"{section}.{name}")
            if len(told) == PART:
                yield {section: told}
                told = {}
            elif not number % SLICE:
                yield None
        if told:
            yield {section: told}
    own: dict[str, Any] = {}
    for number, (shown, copy) in enumerate(compiled.copies.items()):
        if copy.status.problems:
            own[shown] = _status(copy.status, f"{ROUTERS}.{copy.router}")
        if len(own) == PART:
            yield {ROUTERS: own}
            own = {}
        elif not number % SLICE:
            yield None
    yield {ROUTERS: own}


def _status(status: Status, path: str) -> list[Any]:
    """Messages stand without the place where that is the element itself or one of its keys, as the reference has them."""
    messages = []
    for problem in status.problems:
        place = problem.path.removeprefix(path).removeprefix(".") if problem.path.startswith(path) else problem.path
        messages.append(f"{place}: {problem.message}" if "." in place or "[" in place else problem.message)
    return [status.word, list(dict.fromkeys(messages))]


def _servers(witness: Witness, arguments: Mapping[str, Any]) -> Answer:
    """Servers that this worker does not use by its own judgement: service -> URL -> [failing, ejected]."""
    told: dict[str, Any] = {}
    for number, (name, entry) in enumerate(witness.compiled.services.items()):
        out = {peer.url: [peer.failing, peer.ejected] for peer in entry.peers if peer.failing or peer.ejected}
        if out:
            told[name] = out
        if not number % SLICE:
            yield None
    yield told


def _states(witness: Witness, arguments: Mapping[str, Any]) -> Answer:
    """What middlewares tell of themselves, such as whether a circuit is open: [router, middleware, state], each."""
    told = []
    for number, (place, use) in enumerate(witness.compiled.uses.items()):
        state: Any = getattr(use.instance, "state", None)
        if attrs.has(type(state)) and place[0] != "declared":
            told.append([place[1], use.name, attrs.asdict(state)])
        if not number % SLICE:
            yield None
    yield told


def _load(witness: Witness, arguments: Mapping[str, Any]) -> Answer:
    """Open connections by entry point, and what is under way at servers: service -> URL -> requests."""
    in_flight: dict[str, dict[str, int]] = {}
    for number, (name, entry) in enumerate(witness.compiled.services.items()):
        busy = {peer.url: peer.in_flight for peer in entry.peers if peer.in_flight > 0}
        if busy:
            in_flight[name] = busy
        if not number % SLICE:
            yield None
    yield {"connections": dict(witness.connections), "inFlight": in_flight}


def _explain(witness: Witness, arguments: Mapping[str, Any]) -> Answer:
    yield (yield from explaining(Asking(**arguments), witness.static, witness.compiled))


_ANSWERS: Final[Mapping[str, Callable[[Witness, Mapping[str, Any]], Answer]]] = {
    "statuses": _statuses,
    "servers": _servers,
    "states": _states,
    "load": _load,
    "explain": _explain,
}
