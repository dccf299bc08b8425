"""`providers.consul`: a configuration that is written into Consul's key-value store (providers.md §4)."""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs
from attrs import frozen

from pointsman import ProviderContext, Publish, Secret, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem
from pointsman_consul.access import Wanted, namespaces, reach
from pointsman_consul.agent import Agent, ConsulError, News, opened, together

PATH: Final = "providers.consul"
WAIT_SECONDS: Final = 15.0
QUIET_SECONDS: Final = 0.1
"""Who writes several keys does so one after the other: a tree that is half written is not read."""
MAX_UNQUIET_SECONDS: Final = 0.6
HIDDEN: Final = "the token may not read all keys; what it may not read is as if absent"


@frozen
class ConsulConfig:
    endpoints: list[str] = option(factory=list, help="The agent to ask: host:port, https://host:port or unix:///path")
    root_key: str = option(default="traefik", help="The key below which everything stands")
    token: Secret = option(default=Secret(""), repr=False, help="The ACL token to read with")
    namespaces: list[str] = option(factory=list, help="Namespaces of Consul Enterprise, each a provider of its own")
    tls: ExporterTLS | None = option(default=None, help="How to trust the agent, and what to show to it")


class Consul:
    """Keys of Consul"""

    name: ClassVar[str] = "consul"
    Config: ClassVar[type] = ConsulConfig

    @classmethod
    def instances(cls, config: ConsulConfig) -> Mapping[str, ConsulConfig]:
        """A provider for each namespace; one alone if none is named."""
        named = namespaces(config.namespaces, f"{PATH}.namespaces")
        if not named:
            return {"consul": config}
        return {f"consul-{name}": attrs.evolve(config, namespaces=[name]) for name in named}

    def __init__(self, config: ConsulConfig, context: ProviderContext) -> None:
        if len(config.endpoints) > 1:
            message = "names several agents, and one is asked; name the one that is nearest"
            raise ConfigError(Problem(f"{PATH}.endpoints", message))
        root = config.root_key.strip("/")
        if not root:
            raise ConfigError(Problem(f"{PATH}.rootKey", "names no key; write one such as 'traefik'"))
        self._root = f"{root}/"
        self._context = context
        self._access = reach(
            Wanted(
                path=PATH,
                address="".join(config.endpoints),
                address_path=f"{PATH}.endpoints",
                token=config.token,
                tls=config.tls,
                tls_path=f"{PATH}.tls",
                namespace="".join(config.namespaces[:1]),
            )
        )
        self._good: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Consul {self._access.shown} {self._root}>"

    async def provide(self, publish: Publish) -> None:
        tree = _Tree()
        async with opened(self._access) as agent:
            await together(self._listen(agent, tree), self._tell(tree, publish))

    async def _listen(self, agent: Agent, tree: "_Tree") -> None:
        # Without the slash: Consul does not tell those who ask for `traefik/` that `traefik` is deleted with all below it.
        path, query = f"/v1/kv/{quote(self._root[:-1])}", {"recurse": "true", "consistent": "true"}
        async for answer in agent.follow(path, query, wait=WAIT_SECONDS):
            tree.put(_entries(answer.content), answer.filtered)

    async def _tell(self, tree: "_Tree", publish: Publish) -> None:
        told = None
        while True:
            await tree.news.settled()
            if tree.read is not None and tree.read != told:
                told = tree.read
                publish(*await asyncio.to_thread(self._document, *told))

    def _document(self, entries: Mapping[str, str | None], filtered: bool) -> tuple[dict[str, Any], Sequence[Problem]]:
        """What the keys say; what they said last and well, if they cannot be used, and why."""
        hidden = (Problem(self._context.name, HIDDEN, warning=True),) if filtered else ()
        try:
            self._good = self._from(entries)
        except ConfigError as error:
            known = f"{self._context.name}: "  # what the context says begins with it
            named = [
                attrs.evolve(each, path=f"{known}{self._root}{each.path.removeprefix(known)}") for each in error.problems
            ]
            return self._good, (*named, *hidden)
        return self._good, hidden

    def _from(self, entries: Mapping[str, str | None]) -> dict[str, Any]:
        pairs = {}
        for key, value in entries.items():
            if not key.startswith(self._root):
                continue
            path = key.removeprefix(self._root)
            try:
                pairs[path] = base64.b64decode(value or "", validate=True).decode()
            except (binascii.Error, ValueError):
                raise ConfigError(Problem(path, "its value is not UTF-8 text")) from None
        document = self._context.from_keys(pairs)
        http = document.get("http", {})
        return {**document, "http": {**http, "routers": http.get("routers", {})}}  # so that nothing left clears


class _Tree:
    """What was read last, and word of it."""

    def __init__(self) -> None:
        self.read: tuple[Mapping[str, str | None], bool] | None = None
        self.news = News(QUIET_SECONDS, MAX_UNQUIET_SECONDS)

    def put(self, entries: Mapping[str, str | None], filtered: bool) -> None:
        if (entries, filtered) != self.read:
            self.read = entries, filtered
            self.news.note()


def _entries(content: Any) -> dict[str, str | None]:
    """Keys, and their values in base64."""
    try:
        return {_text(each["Key"]): _text(each["Value"]) if each["Value"] is not None else None for each in content or []}
    except (TypeError, KeyError):
        raise ConsulError("Consul does not answer like Consul: this is no list of keys") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
