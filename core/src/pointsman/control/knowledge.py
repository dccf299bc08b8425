"""What the control side knows of the gateway it runs: what is in force, what workers say of it, and what is wrong.

Statuses are a worker's, asked for when somebody wants to see them, once per configuration; all workers compile the same.
What a worker says is data of somebody who meets the world: it is looked through before it is used.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pointsman.config.static import Static
from pointsman.control.feed import ProviderState
from pointsman.control.merge import Tree, empty_tree
from pointsman.control.services import enabled
from pointsman.control.slices import in_slices
from pointsman.control.workers import DataPlane, Unanswered
from pointsman.errors import Problem
from pointsman.inspection.elements import Index, Indexing, Judged, Slices
from pointsman.inspection.shapes import Condition
from pointsman.plugins import Registry
from pointsman.upstream.health import News

FRESH_SECONDS: Final = 1.0
"""How long what workers say of their servers is not asked for again."""
WORDS: Final = ("enabled", "warning", "disabled")


class Knowledge:
    """Asked by the API; the gateway tells it what is new."""

    def __init__(self, static: Static, registry: Registry) -> None:
        self.static = static
        self.started = time.time()
        self.tree: Tree = empty_tree()
        self.workers: Sequence[DataPlane] = ()
        self.states: Callable[[], News] = dict
        """What active health checks say."""
        self.providers: Callable[[], Mapping[str, ProviderState]] = dict
        self.problems: Callable[[], Iterator[tuple[str, Problem]]] = lambda: iter(())
        """Each with its source."""
        self._indexing = Indexing(static, enabled(static, registry))
        self._index: tuple[Tree, Index] | None = None
        self._reading = asyncio.Lock()
        self._judged: tuple[float, dict[str, dict[str, tuple[int, int]]]] = (float("-inf"), {})

    async def index(self) -> Index:
        """All elements. Unanswered if no worker can say how they fare."""
        async with self._reading:
            while self._index is None or self._index[0] is not self.tree:
                tree = self.tree
                parts = await self.ask("statuses", {})
                judged = await in_slices(_judgements(parts))
                self._index = tree, await in_slices(self._indexing.building(tree, judged))
            return self._index[1]

    async def condition(self) -> Condition:
        """How servers are, as active checks and workers see them."""
        asked, judged = self._judged
        if time.monotonic() - asked > FRESH_SECONDS:
            judged = _server_judgements(await self.ask_all("servers", {}))
            self._judged = time.monotonic(), judged
        return Condition(self.states(), judged, max(1, len(self.workers)))

    async def ask(self, question: str, arguments: Mapping[str, Any]) -> list[Any]:
        """What the first worker says that says anything. Unanswered if none does."""
        why = Unanswered("no worker runs")
        for worker in self.workers:
            try:
                return await worker.ask(question, arguments)
            except Unanswered as unanswered:
                why = unanswered
        raise why

    async def ask_all(self, question: str, arguments: Mapping[str, Any]) -> list[list[Any]]:
        """What each worker says, of those that say anything."""
        answers = await asyncio.gather(*(worker.ask(question, arguments) for worker in self.workers), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, list)]


def _judgements(parts: Sequence[Any]) -> Slices[dict[str, dict[str, Judged]]]:
    judged: dict[str, dict[str, Judged]] = {}
    for part in parts:
        for section, elements in _items(part):
            into = judged.setdefault(section, {})
            for name, said in _items(elements):
                if isinstance(said, list) and len(said) == 2 and said[0] in WORDS and isinstance(said[1], list):
                    into[name] = Judged(said[0], tuple(str(message) for message in said[1]))
        yield
    return judged


def _server_judgements(answers: Sequence[Sequence[Any]]) -> dict[str, dict[str, tuple[int, int]]]:
    """Service -> URL -> how many workers say failing, and how many ejected."""
    judged: dict[str, dict[str, tuple[int, int]]] = {}
    for part in (part for answer in answers for part in answer):
        for service, servers in _items(part):
            into = judged.setdefault(service, {})
            for url, said in _items(servers):
                if isinstance(said, list) and len(said) == 2:
                    failing, ejected = into.get(url, (0, 0))
                    into[url] = failing + (said[0] is True), ejected + (said[1] is True)
    return judged


def _items(said: Any) -> Iterator[tuple[str, Any]]:
    return iter(said.items() if isinstance(said, dict) else ())
