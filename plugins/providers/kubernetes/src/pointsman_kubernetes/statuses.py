"""What objects are told about themselves, written without a leader (kubernetes.md §1.5).

Every replica computes the same. So each waits for a moment, looks at the newest version, and writes only what is still
different; what somebody else writes over again and again is written less and less often.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, Final, NoReturn

from attrs import define

from pointsman.dialect.lookups import at, block, text
from pointsman.errors import Problem
from pointsman_kubernetes.client import Api, Refusal
from pointsman_kubernetes.cluster import Cluster
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object, key_of
from pointsman_kubernetes.outcome import StatusUpdate

JITTER_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 2.0
MAX_SECONDS: Final = 300.0
_TIME: Final = "lastTransitionTime"


@define
class _Written:
    """What an object was told last."""

    status: Mapping[str, Any]
    pause: float
    until: float


class Statuses:
    """Writes what is wanted. `problems`: what may not be written."""

    def __init__(self, api: Api, cluster: Cluster, on_problem: Callable[[], None]) -> None:
        self.problems: Sequence[Problem] = ()
        self._api = api
        self._cluster = cluster
        self._on_problem = on_problem
        self._wanted: dict[tuple[Kind, str], StatusUpdate] = {}
        self._written: dict[tuple[Kind, str], _Written] = {}
        self._forbidden: dict[Kind, Problem] = {}
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def want(self, updates: Sequence[StatusUpdate]) -> None:
        """In place of what was wanted before."""
        self._wanted = {(each.kind, key_of(each.object)): each for each in updates}
        self._written = {key: each for key, each in self._written.items() if key in self._wanted}
        self._news.set()

    async def write(self) -> NoReturn:
        """For ever."""
        while True:
            await self._news.wait()
            await asyncio.sleep(random.uniform(0, JITTER_SECONDS))
            self._news.clear()
            for key in list(self._wanted):
                await self._one(key)
            self._tell()
            later = [each.until for key, each in self._written.items() if self._unlike(key)]
            if self._timer is not None:
                self._timer.cancel()
            if later:
                pause = max(min(later) - monotonic(), 0.1)
                self._timer = asyncio.get_running_loop().call_later(pause, self._news.set)

    async def _one(self, key: tuple[Kind, str]) -> None:
        found = self._unlike(key)
        written = self._written.get(key)
        if found is None or (written is not None and written.until > monotonic()):
            return
        kind, _ = key
        seen, status = found
        again = written is not None and not different(written.status, status)
        pause = min(written.pause * 2, MAX_SECONDS) if again and written is not None else FIRST_SECONDS
        try:
            await self._api.write_status(kind, {**seen, "status": dated(status, block(seen, "status"))})
        except Refusal as refusal:
            if refusal.code in (403, 404, 405):
                self._forbidden[kind] = _problem(kind, refusal)
        except OSError:  # also credentials that are away for now
            pass
        else:
            self._forbidden.pop(kind, None)
        self._written[key] = _Written(status, pause, monotonic() + pause)

    def _unlike(self, key: tuple[Kind, str]) -> tuple[Object, Mapping[str, Any]] | None:
        """The object, and the status that it should have but has not."""
        update = self._wanted.get(key)
        seen = self._cluster.current(update.kind, update.object) if update is not None else None
        if update is None or seen is None or not different(block(seen, "status"), update.status):
            return None
        return seen, update.status

    def _tell(self) -> None:
        problems = tuple(self._forbidden[kind] for kind in sorted(self._forbidden, key=lambda kind: kind.resource))
        if problems != self.problems:
            self.problems = problems
            self._on_problem()


def _problem(kind: Kind, refusal: Refusal) -> Problem:
    right = f"{kind.plural}/status" + (f".{kind.group}" if kind.group else "")
    way_out = f"; grant update on {right} to the account of the gateway" if refusal.code == 403 else ""
    return Problem(f"{kind.resource}/status", f"cannot be written: {refusal}{way_out}", warning=True, loud=True)


def different(before: Any, after: Any) -> bool:
    """Whether two statuses say different things, whenever they have come to it."""
    return bool(_essence(before) != _essence(after))


def _essence(value: Any) -> Any:
    """Without times of transitions, and without what says nothing: servers leave that out, or add it."""
    if isinstance(value, Mapping):
        parts = {key: _essence(each) for key, each in value.items() if key != _TIME}
        return {key: each for key, each in parts.items() if each not in (None, {}, [])}
    return [_essence(each) for each in value] if isinstance(value, list | tuple) else value


def dated(status: Any, before: Any) -> Any:
    """The status with the time of each condition that is as it was: its time is that of its last change."""
    if isinstance(status, Mapping):
        known = before if isinstance(before, Mapping) else {}
        told = {key: dated(each, known.get(key)) for key, each in status.items()}
        if _TIME in told and told.get("status") == known.get("status") and isinstance(known.get(_TIME), str):
            told[_TIME] = known[_TIME]
        return told
    if isinstance(status, list | tuple):
        return [dated(each, other) for each, other in zip(status, _matching(status, before), strict=True)]
    return status


def _matching(status: Sequence[Any], before: Any) -> Iterator[Any]:
    """For each element the one of before with the same `type`, or the same place."""
    known = before if isinstance(before, list) else []
    by_type = {text(each, "type"): each for each in known}
    for number, each in enumerate(status):
        yield by_type.get(text(each, "type")) if at(each, "type") else known[number] if number < len(known) else None
