"""One kind of objects in one namespace, or in all of them, followed for ever (kubernetes.md §1.2).

What is there is asked for by a watch that begins with it, or by a list where the server knows no such watch; then come the
changes. A watch that ends goes on from the last version that was seen; if that is gone, all is asked for anew. Meanwhile,
and while the server is away or refuses, what is known stays.
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Final, NoReturn

from pointsman.dialect.lookups import at, text
from pointsman_kubernetes.changes import same, stripped
from pointsman_kubernetes.client import Api, Events, Refusal, Unreachable
from pointsman_kubernetes.credentials import AccessError
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object, name_of, namespace_of

FIRST_SECONDS: Final = 0.8
MAX_SECONDS: Final = 30.0
HEALTHY_SECONDS: Final = 30.0
"""A watch that lived so long starts the back-off anew."""
BEGIN_SECONDS: Final = 30.0
"""How long a watch that is to begin with all that there is may say nothing before that has come."""
GRACE_SECONDS: Final = 15.0
"""How long a server may fail to give a kind before the first configuration is made without it."""
_INITIAL_END: Final = "k8s.io/initial-events-end"
_NOT_THE_WAY: Final = (403, 404, 410, 429)
"""Refusals that a list would meet as well."""
_BUILT_IN: Final = ("", "discovery.k8s.io", "networking.k8s.io")


class Follower:
    """What is known of one kind, and how well."""

    def __init__(self, api: Api, kind: Kind, namespace: str, selector: str, on_change: Callable[[], None]) -> None:
        """`namespace` may be empty for all. `on_change` is called when objects say something new, or `trouble` does."""
        self.kind = kind
        self.namespace = namespace
        self.objects: dict[tuple[str, str], Object] = {}
        """By namespace and name."""
        self.filled = False
        """Whether all that there was has come once."""
        self.trouble = ""
        """Why nothing, or nothing new, comes."""
        self.absent = False
        """Whether the server has no such kind, so that there is nothing to be seen."""
        self.unreachable: OSError | None = None
        """Set while the trouble is the server's, or the way to it."""
        self._api = api
        self._selector = selector
        self._on_change = on_change
        self._version = ""
        self._watch_list = True
        self._failures = 0
        self._failing_since: float | None = None

    def __repr__(self) -> str:
        return f"<Follower {self.place}: {len(self.objects)}{', ' if self.trouble else ''}{self.trouble}>"

    @property
    def place(self) -> str:
        """What is followed, as problems name it."""
        return f"{self.kind.resource} in {self.namespace}" if self.namespace else self.kind.resource

    @property
    def settled(self) -> bool:
        """Whether all has come, or will not come soon."""
        if self.filled or (self.trouble and self.unreachable is None):
            return True
        return self._failing_since is not None and monotonic() - self._failing_since > GRACE_SECONDS

    async def run(self) -> NoReturn:
        """Follow until cancelled."""
        while True:
            begun = monotonic()
            try:
                await self._once()
                hurry = monotonic() - begun > 1
            except Refusal as refusal:
                hurry = self._refused(refusal)
            except OSError as error:
                self._failed(error)
                hurry = False
            if monotonic() - begun > HEALTHY_SECONDS:
                self._failures = 0
            if not hurry:
                await asyncio.sleep(self._pause())

    async def _once(self) -> None:
        """One watch to its end, with a list before it where that is how it begins."""
        if not self._version and not self._watch_list:
            found, version = await self._api.objects(self.kind, self.namespace, self._selector)
            self._replace({_key(thing): stripped(thing) for thing in found})
            self._version = version
        async with self._api.watch(self.kind, self.namespace, self._selector, self._version or None) as events:
            if self._version:
                self._well()
                async for what, thing in events:
                    self._take(what, thing)
            else:
                await self._begin(events)

    async def _begin(self, events: Events) -> None:
        """All that there is, up to a bookmark that says so; then what changes. Not every server sends that bookmark."""
        fresh: dict[tuple[str, str], Object] | None = {}
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(BEGIN_SECONDS) as limit:
                async for what, thing in events:
                    if fresh is None:
                        self._take(what, thing)
                    elif what == "BOOKMARK" and text(at(thing, "metadata", "annotations"), _INITIAL_END) == "true":
                        limit.reschedule(None)
                        self._replace(fresh)
                        fresh = None
                        self._take(what, thing)
                        self._well()
                    else:
                        limit.reschedule(clock() + BEGIN_SECONDS)
                        _change(fresh, what, thing)
        except TimeoutError:
            pass
        if fresh is not None:
            self._watch_list = False

    def _take(self, what: str, thing: Object) -> None:
        self._version = text(thing, "metadata", "resourceVersion") or self._version
        before = self.objects.get(_key(thing))
        after = _change(self.objects, what, thing)
        if (before is None) != (after is None) or (before and after and not same(self.kind, before, after)):
            self._on_change()

    def _replace(self, fresh: dict[tuple[str, str], Object]) -> None:
        before, self.objects = self.objects, fresh
        unlike = before.keys() != fresh.keys() or any(not same(self.kind, before[key], fresh[key]) for key in fresh)
        if unlike:
            self._on_change()

    def _well(self) -> None:
        if not self.filled or self.trouble:
            self._on_change()
        self.filled, self.trouble, self.unreachable, self._failing_since = True, "", None, None
        self.absent = False

    def _refused(self, refusal: Refusal) -> bool:
        """Whether to go on at once, another way."""
        if self._watch_list and not self._version and refusal.code not in _NOT_THE_WAY:
            self._watch_list = False  # servers refuse it in several ways: by storage, by feature gate, by version
            return True
        if refusal.code == 410:
            self._version = ""
        elif refusal.code == 403:
            self.absent = False
            self._say(f"{refusal}; grant get, list and watch on {self.kind.resource} to the account of the gateway")
        elif refusal.code == 404:
            self._version, self.absent = "", True
            known = self.kind.group in _BUILT_IN
            way_out = "" if known else f"; install the CustomResourceDefinition {self.kind.resource} with this version"
            version = f"{self.kind.group}/{self.kind.version}".lstrip("/")
            self._say(f"the API server has no {self.kind.plural} of {version}{way_out}")
        else:
            self._failed(refusal)
        return False

    def _failed(self, error: OSError) -> None:
        """Told when it happens twice: a server that restarts is no trouble yet."""
        if self._failing_since is None:
            self._failing_since = monotonic()
        if not isinstance(error, Unreachable | AccessError):
            self._version = ""
        if self._failures or not self.filled:
            self._say(str(error), error)

    def _say(self, trouble: str, error: OSError | None = None) -> None:
        if trouble != self.trouble:
            self._on_change()
        self.trouble, self.unreachable = trouble, error

    def _pause(self) -> float:
        """0.8 s, then twice as long each time, half a minute at most; up to half less, for all fail together."""
        pause = min(FIRST_SECONDS * 2.0**self._failures, MAX_SECONDS)
        self._failures = min(self._failures + 1, 10)
        return pause * random.uniform(0.5, 1.0)


def _key(thing: Object) -> tuple[str, str]:
    return namespace_of(thing), name_of(thing)


def _change(objects: dict[tuple[str, str], Object], what: str, thing: Object) -> Object | None:
    """What is there now."""
    key = _key(thing)
    if what in ("ADDED", "MODIFIED") and key[1]:
        objects[key] = stripped(thing)
    elif what == "DELETED":
        objects.pop(key, None)
    return objects.get(key)
