"""A gateway, and servers that answer with their name: what most stories need."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from attrs import define

from pointsman.testing import Gateway, Message, RawClient, Upstream, answer, connect, gateway, refusing, upstream

from .kept import Kept

Urls = Mapping[str, str]
Dynamic = Callable[[Urls], Mapping[str, Any]]


@define
class Stage:
    """The running gateway and the servers behind it, each known by its name."""

    gateway: Gateway
    servers: Mapping[str, Upstream]
    urls: Urls

    def __getitem__(self, name: str) -> Upstream:
        return self.servers[name]

    def connect(self, entry_point: str = "web") -> Any:
        """`async with stage.connect() as client`"""
        return connect(self.gateway.port(entry_point))

    async def get(self, path: str = "/", host: str = "a.example", entry_point: str = "web", **headers: str) -> Message:
        """One GET on a connection of its own."""
        async with self.connect(entry_point) as client:
            found: Message = await client.get(path, host, **headers)
            return found

    async def ask(self, request: bytes, entry_point: str = "web") -> Message:
        """Any bytes on a connection of their own, and the answer."""
        async with self.connect(entry_point) as client:
            found: Message = await client.ask(request)
            return found

    async def seen(self, request: bytes, entry_point: str = "web", server: str = "a") -> Message:
        """What a server receives of a request that it answers with 200."""
        found = await self.ask(request, entry_point)
        assert found.status == 200, found
        return self[server].last

    def reset(self) -> None:
        """Every server answers with its name again, and has seen nothing."""
        for name, server in self.servers.items():
            server.answers(answer(200, {}, name.encode()))
            server.requests.clear()


def head(*lines: str, body: bytes = b"") -> bytes:
    """Lines as they stand, and an empty one."""
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def balancer(*urls: str, **settings: Any) -> dict[str, Any]:
    """A `loadBalancer` service over servers."""
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **settings}}


def routed(rules: Mapping[str, str | Mapping[str, Any]], urls: Urls, **services: Any) -> dict[str, Any]:
    """Routers, to service `a` unless they say otherwise; services a, b, c are the servers of these names."""
    routers = {name: {"service": "a", **({"rule": rule} if isinstance(rule, str) else rule)} for name, rule in rules.items()}
    own = {name: balancer(url) for name, url in urls.items()}
    return {"http": {"routers": routers, "services": {**own, **services}}}


@asynccontextmanager
async def staged(
    dynamic: Dynamic,
    static: Mapping[str, Any] | None = None,
    servers: Sequence[str] = ("a", "b", "c"),
    *,
    workers: int = 1,
    kept: Kept | None = None,
) -> AsyncIterator[Stage]:
    """A gateway with one configuration, of its own or `kept`. The URL called `closed` refuses connections."""
    async with AsyncExitStack() as stack:
        running = {name: await stack.enter_async_context(upstream()) for name in servers}
        urls = {name: server.url for name, server in running.items()}
        urls["closed"] = f"http://127.0.0.1:{stack.enter_context(refusing())}"
        if kept is not None:
            front = await stack.enter_async_context(kept.gateway(dynamic(urls)))
        else:
            front = await started(stack, lambda: gateway(dynamic(urls), static, workers=workers))
        ready = Stage(front, running, urls)
        ready.reset()
        yield ready


async def started(stack: AsyncExitStack, start: Callable[[], AbstractAsyncContextManager[Gateway]]) -> Gateway:
    """Enter a gateway, with other ports if somebody was faster: a free port is only free until the next one asks."""
    for _ in range(2):
        try:
            return await stack.enter_async_context(start())
        except RuntimeError as error:
            if "in use" not in str(error):
                raise
    return await stack.enter_async_context(start())


async def closed(client: RawClient) -> bool:
    """Whether the gateway has closed the connection without another word."""
    return await client.rest() == b""
