"""All containers of an engine as they are. Who has not changed by the list is not asked for again."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from pointsman.dialect.lookups import blocks, text
from pointsman.errors import Problem
from pointsman_docker.containers import Container, container
from pointsman_docker.engine import Engine, EngineError

_AT_ONCE: Final = 8
_UNCHECKED: Final = ("", "none")


class Inventory:
    """What is known of the containers of one engine, while it is connected."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[str, Container]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def look(self) -> tuple[list[Container], list[Problem]]:
        """All of them, in order of name, and those that could not be read. EngineError if the list cannot be had."""
        listed = await self._engine.get("/containers/json", all="1")
        if not isinstance(listed, list):
            raise EngineError(f"{self._engine.endpoint.shown}: the answer to /containers/json is no list")
        entries = {text(each, "Id"): each for each in blocks({"": listed}, "") if text(each, "Id")}
        problems: list[Problem] = []
        found = await _all(self._one(key, entry, problems) for key, entry in entries.items())
        self._known = {key: known for key, known in zip(entries, found, strict=True) if known is not None}
        return sorted((each for _, each in self._known.values()), key=lambda each: each.name), problems

    def forget(self, key: str) -> None:
        """Something happened to it: ask for it next time, whatever the list says."""
        self._known.pop(key, None)

    async def _one(self, key: str, entry: Mapping[str, Any], problems: list[Problem]) -> tuple[str, Container] | None:
        """It with its state in the list; None if it is gone, or cannot be read."""
        state = _state(entry)
        known = self._known.get(key)
        if known is not None and known[0] == state and (known[1].health in _UNCHECKED or "(" in text(entry, "Status")):
            return known  # Podman's list does not tell of health
        try:
            async with self._slots:
                return state, container(await self._engine.get(f"/containers/{key}/json"))
        except EngineError as error:
            if not error.status:
                raise
            if error.status != 404:
                problems.append(Problem(f"container {_name(entry, key)}", f"cannot be inspected: {error}"))
        except ValueError as error:
            problems.append(Problem(f"container {_name(entry, key)}", f"cannot be read: {error}"))
        return None


async def _all(asking: Any) -> list[tuple[str, Container] | None]:
    """What all of them give; when one fails nothing is left running."""
    tasks = [asyncio.create_task(each) for each in asking]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _state(entry: Mapping[str, Any]) -> str:
    """All that the list says, but for how long it has been so: of `Up 3 minutes (healthy)` only what is in brackets."""
    _, _, health = text(entry, "Status").partition("(")
    return json.dumps({**entry, "Status": health}, sort_keys=True)


def _name(entry: Mapping[str, Any], key: str) -> str:
    names = entry.get("Names")
    first = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else key[:12]
    return first.lstrip("/")
