"""The same manifests through the real Traefik and through Pointsman: what both make of a cluster, as their APIs show it.

Each gateway has an API server of its own, so that what one writes into statuses does not meet what the other writes.

    async with both("kubernetesCRD", WEB, ROUTES, options={"allowCrossNamespace": True}) as cluster:
        differing = cluster.differing(declared={r"services\\.x\\..*": "why"})
        assert not differing

`cluster.theirs` and `cluster.ours` are sides: `side.routers["default-r"]`, `side.log()`, `side.server.get(...)` for
statuses, `side.server.apply(...)` for changes, `side.gateway` for requests. Elements are called without `@provider`.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from unittest.mock import patch

from attrs import define, field

from pointsman.testing import Gateway, connect, gateway
from pointsman.testing.wire import eventually
from tests.servers.kubernetes_server import KubernetesServer, kubernetes_server

from .harness import STATIC, TRAEFIK, started

SUFFIXES: Final = {
    "kubernetesIngress": "kubernetes",
    "kubernetesCRD": "kubernetescrd",
    "kubernetesGateway": "kubernetesgateway",
    "kubernetesIngressNGINX": "kubernetesingressnginx",
    "knative": "knative",
}
TOKEN: Final = "a-token"
ENTRY_POINTS: Final = {"web": {}, "websecure": {}, "traefik": {}}
LEFT_ASIDE: Final = ("usedBy", "using", "ruleSyntax", "serverStatus", "serverDetails")
"""Keys of elements that say nothing about the mapping."""
KNOWN: Final = re.compile(
    r".*(drainTimeout|healthCheck\.((un)?healthyThreshold|method)|mem(Request|Response)BodyBytes|minResponseBodyBytes"
    r"|rejectStatusCode|realm|forwardAuth\.(timeout|maxResponseBodySize)|users\[\d+\]|\.users)"
)
"""What differs with every provider: defaults that the reference does not fill in, options that are new, masks (test_api)."""
SECTIONS: Final = (
    "routers",
    "services",
    "middlewares",
    "tcpRouters",
    "tcpServices",
    "tcpMiddlewares",
    "udpRouters",
    "udpServices",
)


@define
class Side:
    """One gateway and its API server."""

    name: str
    suffix: str
    gateway: Gateway
    server: KubernetesServer
    raw: Mapping[str, Any] = field(factory=dict)
    """Its `/api/rawdata`, as it was read last."""

    def __getattr__(self, section: str) -> dict[str, Any]:
        if section not in SECTIONS:
            raise AttributeError(section)
        own = f"@{self.suffix}"
        found = self.raw.get(section, {}).items()
        return {key.removesuffix(own): shown(value) for key, value in found if key.endswith(own)}

    def log(self) -> str:
        return self.gateway.log()

    async def read(self) -> "Side":
        """Ask the API anew."""
        async with connect(self.gateway.port("traefik")) as client:
            self.raw = json.loads((await client.get("/api/rawdata", "127.0.0.1")).body)
        return self

    async def until(self, condition: Callable[["Side"], object], what: str = "what is waited for") -> "Side":
        """Ask the API until that is so."""

        async def it_is() -> bool:
            return bool(condition(await self.read()))

        await eventually(it_is, f"{what}, in {self.name}")
        return self

    def aspects(self, sections: Sequence[str] = SECTIONS) -> dict[str, Any]:
        """All that it says of its elements: `routers.default-r.rule` -> value."""
        return dict(_flat({section: getattr(self, section) for section in sections}))


@define
class Both:
    """Both sides, each with the same manifests."""

    theirs: Side
    ours: Side

    def apply(self, *manifests: str) -> None:
        for side in (self.theirs, self.ours):
            side.server.apply(*manifests)

    async def until(self, condition: Callable[[Side], object], what: str = "what is waited for") -> None:
        """Both show it."""
        await asyncio.gather(*(side.until(condition, what) for side in (self.theirs, self.ours)))

    def differing(self, declared: Mapping[str, str] | None = None, sections: Sequence[str] = SECTIONS) -> list[str]:
        """One line for each aspect that differs; `declared` says by regular expressions which may, and why.

        A declared difference that is not there is a line, too.
        """
        theirs, ours = self.theirs.aspects(sections), self.ours.aspects(sections)
        named = sorted(each for each in theirs.keys() | ours.keys() if not KNOWN.fullmatch(each))
        aspects = [each for each in named if theirs.get(each) != ours.get(each)]
        lines, used = [], set()
        for each in aspects:
            reasons = {pattern for pattern in declared or {} if re.fullmatch(pattern, each)}
            used |= reasons
            if not reasons:
                lines.append(f"{each}: traefik {theirs.get(each, 'absent')!r}, pointsman {ours.get(each, 'absent')!r}")
        return lines + [f"{each}: declared to differ, but does not" for each in (declared or {}).keys() - used]


def environment() -> dict[str, str]:
    """That of this process, without what leads to another cluster."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("KUBECONFIG", "KUBERNETES_"))}


def shown(element: Mapping[str, Any]) -> dict[str, Any]:
    """An element without what both APIs add."""
    return {key: value for key, value in element.items() if key not in LEFT_ASIDE}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        # those of nodes come as a Go map gives them, in another order each time
        for number, each in enumerate(sorted(value, key=repr) if path.endswith(".servers") else value):
            yield from _flat(each, f"{path}[{number}]")
    else:
        yield path, value


Condition = Callable[[Side], object]


@asynccontextmanager
async def both(
    provider: str,
    *manifests: str,
    options: Mapping[str, Any] | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    entry_points: Mapping[str, Any] = ENTRY_POINTS,
    static: Mapping[str, Any] | None = None,
    dynamic: Mapping[str, Any] | None = None,
    until: Condition | None = None,
) -> AsyncIterator[Both]:
    """Both gateways following clusters with these manifests, with this provider and `others` (name -> options).

    They are ready when both show an element of the provider, or when `until` is true of both. `dynamic` comes by file.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment(), clear=True))

        async def side(name: str, workers: int | None, command: Sequence[str] | None) -> Side:
            server = stack.enter_context(kubernetes_server(*manifests))
            server.tokens = {TOKEN}
            access = {"endpoint": server.url, "token": TOKEN}
            wanted = {provider: options or {}, **(others or {})}
            settings = {
                **STATIC,
                "entryPoints": entry_points,
                "api": {"insecure": True, "dashboard": False},
                "log": {"level": "INFO"},
                "providers": {key: {**access, **own} for key, own in wanted.items()},
                **(static or {}),
            }
            more = {"command": command} if command else {}
            running = await started(stack, lambda: gateway(dynamic or {}, settings, workers=workers, **more))
            return Side(name, SUFFIXES[provider], running, server)

        theirs, ours = await asyncio.gather(side("traefik", None, [str(TRAEFIK)]), side("pointsman", 1, None))
        found = Both(theirs, ours)
        await found.until(until or _anything, f"elements of {provider}")
        yield found


def _anything(side: Side) -> bool:
    return any(getattr(side, section) for section in SECTIONS)
