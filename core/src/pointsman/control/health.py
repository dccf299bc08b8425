"""Active health checks (routing.md §5.4): one checker for the whole gateway, whose findings go to every worker.

`rounds.py` decides who is probed when, `probe.py` does one probe, `checks.py` reads what the configuration asks for; here is
the task that joins them. Each change of a server is logged once, and told. Where workers judge servers by their answers as
well, each good probe that is one of enough in a row is told, for they wait for it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from pointsman.config.static import StaticServersTransport, StaticTCPServersTransport
from pointsman.control.checks import SLICE, AnyCheck, Changes, Checks, TcpChecks
from pointsman.control.merge import Delta, Slices, Tree
from pointsman.control.probe import Failed
from pointsman.control.rounds import LIMIT, Rounds, Server
from pointsman.control.slices import in_slices
from pointsman.upstream.health import News

log: Final = logging.getLogger("pointsman.health")


class Probe(Protocol):
    """Asks a server how it is."""

    async def start(self) -> None: ...
    async def __call__(self, check: AnyCheck, url: str, /) -> None:
        """Return if it is healthy, else raise Failed."""

    async def aclose(self) -> None: ...


class Checker:
    """Probes the servers of all services that have a health check. `start`, then `follow` every tree, then `aclose`."""

    def __init__(
        self,
        transport: StaticServersTransport,
        tell: Callable[[News], None],
        probe: Probe,
        *,
        tcp_transport: StaticTCPServersTransport | None = None,
        limit: int = LIMIT,
    ) -> None:
        self._tell = tell
        self._probe = probe
        self._readers = (Checks(transport), TcpChecks(tcp_transport or StaticTCPServersTransport()))
        self._rounds = Rounds(limit)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._probing: set[asyncio.Task[None]] = set()

    @property
    def states(self) -> News:
        """What is known now of every service that is checked."""
        return self._rounds.states

    async def start(self) -> None:
        await self._probe.start()
        self._task = asyncio.create_task(self._run(), name="health checks")

    async def aclose(self) -> None:
        """Stop. Safe without `start`, and twice."""
        task, self._task = self._task, None
        tasks = [*self._probing, *([task] if task is not None else [])]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._probe.aclose()

    async def follow(self, tree: Tree, delta: Delta) -> None:
        """Check what this tree asks for; to be called once it is live."""
        news = await in_slices(self._following(tree, delta))
        if news:
            self._tell(news)
        self._news.set()

    def _following(self, tree: Tree, delta: Delta) -> Slices[News]:
        changes: Changes = {}
        for reader in self._readers:
            changes |= yield from reader.reading(tree, delta)
        now = asyncio.get_running_loop().time()
        news: dict[str, dict[str, bool]] = {}
        for number, (name, check) in enumerate(changes.items()):
            forgotten = self._rounds.drop(name) if check is None else self._rounds.put(check, now)
            if forgotten:
                news[name] = dict.fromkeys(forgotten, True)
            if number % SLICE == 0:
                yield
        return news

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for server in self._rounds.due(loop.time()):
                task = loop.create_task(self._ask(server))
                self._probing.add(task)
                task.add_done_callback(self._probing.discard)
            at = self._rounds.next_at
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self._news.wait()

    async def _ask(self, server: Server) -> None:
        check, why = server.check, ""
        try:
            await self._probe(check, server.url)
        except Failed as failed:
            why = str(failed)
        except Exception as error:  # whatever it is, the server has not shown that it is well
            log.exception(
                "service %s: the probe of %s failed", check.service, server.url, extra={"serviceName": check.service}
            )
            why = repr(error)
        changed = self._rounds.done(server, not why, asyncio.get_running_loop().time())
        self._news.set()
        if changed and why:
            log.warning(
                "service %s: server %s is DOWN: %s",
                check.service,
                server.url,
                why,
                extra={"serviceName": check.service, "serverURL": server.url},
            )
        elif changed:
            log.info(
                "service %s: server %s is UP",
                check.service,
                server.url,
                extra={"serviceName": check.service, "serverURL": server.url},
            )
        if changed or (server.check.passive and server.proven and not server.gone):
            self._tell({check.service: {server.url: not why}})

    def __repr__(self) -> str:
        return f"<Checker {self._rounds!r}>"
