"""Providers of the static configuration, built."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from attrs import evolve, field, frozen

from pointsman.config.static import structure_static
from pointsman.control.providers import build_providers
from pointsman.errors import ConfigError, Problem
from pointsman.plugins import Registry


@frozen
class ShelfConfig:
    rooms: list[str] = field(factory=list)
    room: str = ""


class Shelf:
    name: ClassVar[str] = "bookShelf"
    Config: ClassVar[type] = ShelfConfig

    def __init__(self, config: ShelfConfig, context: Any) -> None:
        if config.room == "cellar":
            raise ConfigError(Problem("", "is flooded"))
        self.room, self.context = config.room, context

    @classmethod
    def instances(cls, config: ShelfConfig) -> Mapping[str, ShelfConfig]:
        return {f"bookshelf-{room}": evolve(config, room=room) for room in config.rooms} or {"bookshelf": config}

    async def provide(self, publish: Any) -> None: ...


class Lamp(Shelf):
    name = "lamp"
    instances = None  # type: ignore[assignment]


def built(providers: dict[str, Any]) -> tuple[list[tuple[str, str, str]], list[str]]:
    registry = Registry(providers={"bookShelf": Shelf, "lamp": Lamp})
    static, problems = structure_static({"providers": providers}, registry.sections)
    assert static is not None, problems
    found, contexts, problems = build_providers(static, registry)
    assert [name for name, _ in found] == ["internal", *contexts]
    return [(name, each.room, each.context.name) for name, each in found[1:]], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("providers", "expected", "wrong"),
    [
        ({"lamp": {"room": "hall"}}, [("lamp", "hall", "lamp")], []),
        ({"bookShelf": {"rooms": "a,b"}}, [("bookshelf-a", "a", "bookshelf-a"), ("bookshelf-b", "b", "bookshelf-b")], []),
        ({"bookShelf": {"room": "a"}}, [("bookshelf", "a", "bookshelf")], []),
        ({"bookShelf": {"rooms": "a,cellar"}}, [("bookshelf-a", "a", "bookshelf-a")], ["providers.bookShelf: is flooded"]),
        ({"plugin": {"Lamp": {"room": "x"}}}, [("plugin-lamp", "x", "plugin-lamp")], []),
        ({"plugin": {"lamp": {"room": "cellar"}}}, [], ["providers.plugin.lamp: is flooded"]),
    ],
    ids=["one", "several", "none-named", "one-of-several-broken", "plugin", "broken-plugin"],
)
def test_what_is_asked_for_is_built(
    providers: dict[str, Any], expected: list[tuple[str, str, str]], wrong: list[str]
) -> None:
    assert built(providers) == (expected, wrong)
