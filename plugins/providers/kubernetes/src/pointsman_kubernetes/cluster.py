"""All that a provider follows, together."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pointsman.errors import Problem
from pointsman_kubernetes.client import Api, Unreachable
from pointsman_kubernetes.credentials import AccessError
from pointsman_kubernetes.following import Follower
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object, Objects, name_of, namespace_of

LOOK_SECONDS: Final = 1.0


class Cluster:
    """What is known, and that it has changed."""

    def __init__(
        self,
        api: Api,
        kinds: Collection[Kind],
        namespaces: Sequence[str] = (),
        selector: str = "",
        selected: Collection[Kind] = (),
        scopes: Mapping[Kind, tuple[Sequence[str], str]] | None = None,
    ) -> None:
        """`selector` is for the kinds that are `selected`; `scopes` are namespaces and selectors of others."""
        of = {kind: (namespaces, selector if kind in selected else "") for kind in kinds} | dict(scopes or {})
        self._namespaces = namespaces
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._followers = [
            Follower(api, kind, namespace, _joined(kind.selector, labels), self.wake)
            for kind, (within, labels) in of.items()
            for namespace in (within if within and kind.namespaced else ("",))
        ]

    def wake(self) -> None:
        """Have `change` return."""
        self._dirty.set()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """As long as the block lasts."""
        self._tasks = [asyncio.create_task(each.run(), name=f"kubernetes {each.place}") for each in self._followers]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ready(self) -> None:
        """Until everything is there that will come. OSError while there is nothing and the server cannot be reached."""
        while not all(each.settled for each in self._followers):
            self._dirty.clear()
            if not any(each.filled for each in self._followers):
                for each in self._followers:
                    if isinstance(each.unreachable, Unreachable | AccessError):
                        raise each.unreachable
            await self.change(LOOK_SECONDS)

    async def change(self, seconds: float | None = None) -> None:
        """Until something has changed since the last call of `taken`, or that time is over."""
        waiting = asyncio.ensure_future(self._dirty.wait())
        try:
            await asyncio.wait({waiting, *self._tasks}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in self._tasks:
            if task.done():
                task.result()

    def taken(self) -> Objects:
        """What is known now."""
        self._dirty.clear()
        found: dict[Kind, list[Object]] = {}
        missing = {}
        for each in self._followers:
            found.setdefault(each.kind, []).extend(each.objects.values())
            if not each.filled:
                missing[each.kind] = each.trouble
        absent = [each.kind for each in self._followers if each.absent]
        return Objects(found, self._namespaces, missing, absent)

    def current(self, kind: Kind, thing: Object) -> Object | None:
        """Its newest version."""
        key = namespace_of(thing), name_of(thing)
        return next((each.objects[key] for each in self._followers if each.kind == kind and key in each.objects), None)

    def problems(self) -> list[Problem]:
        """What cannot be read, and why: each reason once, if it is the server's."""
        known = any(each.objects for each in self._followers)
        problems = {}
        for each in self._followers:
            if each.trouble:
                mine = each.unreachable is None
                stays = "; what is known stays in force" if (each.objects if mine else known) else ""
                path, said = each.place if mine else "API server", each.trouble + stays
                problems[path, said] = Problem(path, said, warning=True, loud=True)
        return list(problems.values())


def _joined(*selectors: str) -> str:
    return ",".join(filter(None, selectors))
