"""`providers.consulCatalog`: routers and services made of what is registered with Consul (providers.md §5.3)."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs

from pointsman import ProviderContext, Publish
from pointsman.dialect.instances import Instance, Instances
from pointsman.errors import ConfigError, Problem
from pointsman_consul.access import namespaces
from pointsman_consul.agent import Agent, ConsulError, News, opened, together
from pointsman_consul.catalog_config import PATH, ConsulCatalogConfig, access_of, check
from pointsman_consul.mesh import Identity, Mesh, transport, transport_name
from pointsman_consul.services import Entry, Own, entries_in, instance_of, labels_of, services_in

WATCHED: Final = ("/v1/catalog/services", "/v1/health/state/any")
WAIT_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 60.0
"""With `watch` everything is read again after so long, whatever was told: an address of a node is in neither of the two."""
READ_SECONDS: Final = 120.0
"""How long it may take to ask for all instances."""
AT_ONCE: Final = 8
QUIET_SECONDS: Final = 0.05
MAX_UNQUIET_SECONDS: Final = 0.5
REST: Final = 2.0
"""How long nothing is asked after a reading, as a multiple of what it took."""
CONSUL: Final = "consul"
"""The service as which Consul's own servers are registered."""
HIDDEN: Final = "the token may not read all services; those that it may not read are as if absent"
MAX_NAMED: Final = 5


class ConsulCatalog:
    """Services of Consul, with tags"""

    name: ClassVar[str] = "consulCatalog"
    Config: ClassVar[type] = ConsulCatalogConfig

    @classmethod
    def instances(cls, config: ConsulCatalogConfig) -> Mapping[str, ConsulCatalogConfig]:
        """A provider for each namespace; one alone if none is named."""
        named = namespaces(config.namespaces, f"{PATH}.namespaces")
        if not named:
            return {"consulcatalog": config}
        return {f"consulcatalog-{name}": attrs.evolve(config, namespaces=[name]) for name in named}

    def __init__(self, config: ConsulCatalogConfig, context: ProviderContext) -> None:
        check(config)
        self._config = config
        self._context = context
        self._access = access_of(config)
        self._wait = config.endpoint.endpoint_wait_time or WAIT_SECONDS
        modes = {"consistent": config.require_consistent, "stale": config.stale, "cached": config.cache}
        self._modes = {mode: "true" for mode, wanted in modes.items() if wanted}
        self._instances = Instances(
            context,
            kind=self.name,
            exposed_by_default=config.exposed_by_default,
            default_rule=config.default_rule,
            constraints=config.constraints,
            by_tags=True,
        )

    def __repr__(self) -> str:
        return f"<ConsulCatalog {self._access.shown}>"

    async def provide(self, publish: Publish) -> None:
        news = News(QUIET_SECONDS, MAX_UNQUIET_SECONDS)
        mesh = Mesh(self._config.service_name, self._wait, news) if self._config.connect_aware else None
        async with opened(self._access) as agent:
            parts = [self._tell(agent, news, mesh, publish)]
            if self._config.watch:
                parts += [self._listen(agent, path, news) for path in WATCHED]
            if mesh is not None:
                parts += [mesh.follow_leaf(agent), mesh.follow_roots(agent)]
            await together(*parts)

    async def _listen(self, agent: Agent, path: str, news: News) -> None:
        async for _ in agent.follow(path, wait=self._wait, read=False):
            news.note()

    async def _tell(self, agent: Agent, news: News, mesh: Mesh | None, publish: Publish) -> None:
        if not self._config.watch:
            news.note()
        while True:
            await news.settled(LOOK_SECONDS if self._config.watch else self._config.refresh_interval)
            if mesh is not None and mesh.identity is None:
                continue  # half of what there is would be refused by those in the mesh
            begun = time.monotonic()
            publish(*await self._read(agent, mesh))
            await asyncio.sleep(REST * (time.monotonic() - begun))

    async def _read(self, agent: Agent, mesh: Mesh | None) -> tuple[dict[str, Any], list[Problem]]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                answer = await agent.get("/v1/catalog/services", self._modes)
                wanted, meshed = self._wanted(services_in(answer.content))
                slots = asyncio.Semaphore(AT_ONCE)
                asked = [self._ask(agent, slots, name, tags, name in meshed) for name, tags in wanted.items()]
                found = [entry for entries in await together(*asked) for entry in entries]
        except TimeoutError:
            raise ConsulError(f"Consul has not told of all its services within {READ_SECONDS:.0f} s") from None
        problems = [Problem(self._context.name, HIDDEN, warning=True)] if answer.filtered else []
        if mesh is None and meshed:
            problems.append(_not_aware(meshed, self._context.name))
        identity = mesh.identity if mesh is not None else None
        return await asyncio.to_thread(self._document, found, meshed, identity, problems)

    def _wanted(self, services: Mapping[str, Sequence[str]]) -> tuple[dict[str, Sequence[str]], set[str]]:
        """Services of which an instance may count, with the tags of all their instances, and those that are in the mesh."""
        wanted = {name: tags for name, tags in sorted(services.items()) if name != CONSUL and self._may_count(tags)}
        return wanted, {name for name, tags in wanted.items() if self._meshed(tags)}

    def _may_count(self, tags: Sequence[str]) -> bool:
        if not self._config.exposed_by_default and "traefik.enable" not in map(str.lower, self._labels(tags)):
            return False
        # With a `!` an instance may count although all tags of the service together would not.
        return "!" in self._config.constraints or self._instances.exposed({"traefik.enable": "true"}, tags)

    def _meshed(self, tags: Sequence[str]) -> bool:
        """Whether a service is in the mesh. What is wrong with its tags is told of the instance that has them."""
        key = "traefik.consulcatalog.connect"
        said = {value.lower() for tag in tags for name, value in self._labels([tag]).items() if name.lower() == key}
        return bool(said & {"1", "t", "true"}) or (self._config.connect_by_default and not said)

    def _labels(self, tags: Sequence[str]) -> dict[str, str]:
        return labels_of(tags, self._config.prefix)

    async def _ask(
        self, agent: Agent, slots: asyncio.Semaphore, name: str, tags: Sequence[str], meshed: bool
    ) -> list[Entry]:
        if meshed and not self._config.connect_aware:
            return []
        query, enable = dict(self._modes), f"{self._config.prefix}.enable"
        spelled = {tag for tag in tags if tag.lower().startswith(enable.lower())}
        if not self._config.exposed_by_default and spelled == {f"{enable}=true"}:
            query["tag"] = f"{enable}=true"
        async with slots:
            answer = await agent.get(f"/v1/health/{'connect' if meshed else 'service'}/{quote(name, safe='')}", query)
        return [entry for entry in entries_in(name, answer.content) if meshed or not entry.proxy]

    def _document(
        self, entries: Sequence[Entry], meshed: set[str], identity: Identity | None, problems: list[Problem]
    ) -> tuple[dict[str, Any], list[Problem]]:
        transports: dict[str, Any] = {}
        instances: list[Instance] = []
        for entry in entries:
            labels = self._labels(entry.tags)
            if not self._in_state(entry) or not self._instances.exposed(labels, entry.tags):
                continue
            try:
                own = self._instances.own(labels, Own)
            except ConfigError as error:
                problems += [Problem(f"{entry.key}: {each.path}", each.message) for each in error.problems]
                continue
            name = ""
            if identity is not None and entry.service in meshed:
                name = transport_name(entry)
                transports[name] = transport(entry, identity)
            instances.append(instance_of(entry, labels, own, name))
        document, found = self._instances.document(instances, problems)
        for protocol, wrapped in (("http", transports), ("tcp", {name: {"tls": each} for name, each in transports.items()})):
            section = document.setdefault(protocol, {})
            section["serversTransports"] = {**section.get("serversTransports", {}), **wrapped}
        return document, found

    def _in_state(self, entry: Entry) -> bool:
        states = [state.lower() for state in self._config.strict_checks]
        return "any" in states or entry.state in states


def _not_aware(meshed: set[str], provider: str) -> Problem:
    named = ", ".join(sorted(meshed)[:MAX_NAMED]) + (", …" if len(meshed) > MAX_NAMED else "")
    message = f"are in the mesh, and this gateway is not; set {PATH}.connectAware to reach them: {named}"
    return Problem(f"{provider}: {len(meshed)} services", message, warning=True)
