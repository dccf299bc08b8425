"""A provider of these tests' own, installed as any plugin is: it publishes the document that its options hold."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import frozen

from pointsman import Provider, ProviderContext, Publish, hookimpl


@frozen
class ToldConfig:
    document: str


class Told:
    name: ClassVar[str] = "told"
    Config: ClassVar[type] = ToldConfig

    def __init__(self, config: ToldConfig, context: ProviderContext) -> None:
        self._document = json.loads(config.document)

    async def provide(self, publish: Publish) -> None:
        publish(self._document)
        await asyncio.Event().wait()


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [Told]


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Gateways that are started now find it among their plugins."""
    place = folder / "pointsman_told-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: pointsman-told\nVersion: 1\n")
    (place / "entry_points.txt").write_text("[pointsman]\ntold = told\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parent}")
        yield
