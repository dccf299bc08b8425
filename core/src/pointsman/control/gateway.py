"""The control side: opens the doors, runs the providers, feeds the workers, stops in order (operations.md §1.10, §2.9)."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from pointsman.compile import Secrets, Surroundings
from pointsman.compile.journals import Logs
from pointsman.config.sources import Loaded
from pointsman.config.static import Ping
from pointsman.control.activation import NOTHING_PASSED, Passed
from pointsman.control.api import Api
from pointsman.control.app import Answers, ControlApp, PingService
from pointsman.control.dashboard import Dashboard
from pointsman.control.health import Checker
from pointsman.control.knowledge import Knowledge
from pointsman.control.listeners import Sockets, close_listeners, not_passed, open_listeners
from pointsman.control.merge import Delta, Tree
from pointsman.control.metering import Metering
from pointsman.control.notify import Supervisor
from pointsman.control.ping import NotWell, ask_ping, reachable
from pointsman.control.probes import Probes
from pointsman.control.providers import Built, build_providers
from pointsman.control.resolvers import Resolvers
from pointsman.control.services import CHALLENGES, base_path, build_services
from pointsman.control.traffic import NEEDS, Traffic
from pointsman.control.unsupported import unsupported_static
from pointsman.control.watcher import Watcher
from pointsman.control.workers import DataPlane, Process
from pointsman.deadlines import Deadlines
from pointsman.errors import Problem
from pointsman.logs.lines import places
from pointsman.message import Address
from pointsman.observe.accesslog import check_access_log, try_file
from pointsman.plugins import Registry, idle_in_workers
from pointsman.shared import MemoryFile
from pointsman.upstream.health import News

log = logging.getLogger("pointsman.control")

MakeLocal = Callable[..., DataPlane]
"""`worker.Local`, which this room must not import."""


class Gateway:
    """One gateway, from its start to its end."""

    def __init__(
        self,
        loaded: Loaded,
        registry: Registry,
        make_local: MakeLocal,
        reopen_logs: Callable[[], None],
        passed: Passed = NOTHING_PASSED,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.static = loaded.config
        self.registry = registry
        self._make_local = make_local
        self._reopen_logs = reopen_logs
        self._passed = passed
        self._supervisor = supervisor or Supervisor()
        self._workers: list[DataPlane] = []
        self._secrets = Secrets()
        self._memory = MemoryFile.create(self.static.worker_count) if self.static.worker_count > 1 else None
        self._checker = Checker(
            self.static.servers_transport, self._learn, Probes(), tcp_transport=self.static.tcp_servers_transport
        )
        self._ping = PingService(self.static.ping or Ping())
        api = self.static.api
        needs = [NEEDS] if api is not None and api.traffic else []
        self._metering = Metering(self.static, registry, needs=needs)
        self._metering.own.states = lambda: self._checker.states
        self._metering.own.restarts = self._restarts
        self._metering.own.problems = lambda: {problem for _, problem in self._problems()}
        self._knowledge = Knowledge(self.static, registry)
        self._knowledge.states = lambda: self._checker.states
        self._knowledge.problems = self._problems
        self._traffic = Traffic(self._metering, self._knowledge) if api is not None and api.traffic else None
        self._resolvers = Resolvers(self.static, registry)
        self._known: dict[str, frozenset[Problem]] = {}
        self._watcher: Watcher | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. ConfigError if an entry point cannot be opened."""
        static = self.static
        count = static.worker_count
        odd = check_access_log(static.access_log, self.registry.log_formats)
        if static.access_log is not None:
            try_file(static.access_log.file_path)
        listeners = open_listeners(static.entry_points, count, self._passed)
        providers, contexts, problems = build_providers(static, self.registry)
        problems += self._resolvers.problems
        app = ControlApp(self._services(providers))
        providers = [*providers, *self._resolvers.providers]
        metering = self._metering
        logs = self._logs()
        watcher: Watcher | None = None
        reassuring: asyncio.Task[None] | None = None
        try:
            await app.start()
            await self._checker.start()
            if logs is not None:
                await logs.start()
            self._workers = [self._worker(number, sockets, app.path) for number, sockets in enumerate(listeners)]
            metering.workers = self._workers
            self._knowledge.workers = self._resolvers.challenges.workers = self._workers
            problems += [*metering.problems, *await metering.start()]
            said = (*not_passed(static.entry_points, self._passed), *unsupported_static(static), *odd, *problems)
            self._tell("static", said)
            watcher = Watcher(
                providers,
                self.registry.middlewares,
                static.providers.providers_throttle_duration,
                self._apply,
                tcp_middlewares=self.registry.tcp_middlewares,
                contexts=contexts,
            )
            self._handle_signals(watcher)
            self._watcher = watcher
            self._knowledge.providers = self._metering.own.providers = lambda: watcher.states
            self._ping.awaited = lambda: watcher.awaited
            watcher.start()
            await _either(watcher.first_ready, self._stopping)
            if not self._stopping.is_set():
                reassuring = await self._serve(listeners)
            await self._stopping.wait()
            self._ping.stopping = True
            self._supervisor.tell("STOPPING=1")
            log.info("stopping: waiting for requests in flight")
            await asyncio.gather(*(worker.stop() for worker in self._workers))
        finally:
            if reassuring is not None:
                reassuring.cancel()
            if watcher is not None:
                await watcher.aclose()
            await self._checker.aclose()
            if self._traffic is not None:
                await self._traffic.aclose()
            await metering.aclose()
            if logs is not None:
                await logs.stop()
            close_listeners(listeners)
            await app.aclose()
            if self._memory is not None:
                self._memory.close()
        log.info("stopped")

    async def _serve(self, listeners: list[Sockets]) -> asyncio.Task[None]:
        """The first configuration is live: let everybody in, and say so."""
        await asyncio.gather(*(worker.serve() for worker in self._workers))
        for name, listening in listeners[0].items():
            udp = " (UDP)" if listening.type == socket.SOCK_DGRAM else ""
            log.info(
                "entry point %s listens on %s%s",
                name,
                Address(*listening.getsockname()[:2]),
                udp,
                extra={"entryPointName": name},
            )
        log.info("%d worker%s", len(listeners), "" if len(listeners) == 1 else "s")
        self._supervisor.tell("READY=1")
        if self._traffic is not None:
            self._traffic.start()
        return asyncio.create_task(self._supervisor.reassure(partial(self._is_well, listeners[0])))

    def _logs(self) -> Logs | None:
        """What sends away what is said here; a worker in this very process has its own."""
        if self._memory is None or not self.static.log.exporters:
            return None
        return Logs(Surroundings(self.static, self.registry, Deadlines()), os.environ, requests=False)

    def _services(self, providers: Built) -> dict[str, Answers]:
        """What the control side answers itself, by name without `@internal`; the kernel's own names are the kernel's."""
        services: dict[str, Answers] = {
            **build_services(self.static, self.registry),
            **self._metering.answering,
            **{name: provider for name, provider in providers if isinstance(provider, Answers)},
            "ping": self._ping,
            CHALLENGES: self._resolvers.challenges,
        }
        api = self.static.api
        if api is not None:
            pages = Dashboard(base_path(api), api.insecure, services.get("dashboard")) if api.dashboard else None
            services["api"] = Api(self._knowledge, self.registry, base_path(api), pages, self._traffic)
            if pages is not None:
                services["dashboard"] = pages
        return services

    def _worker(self, number: int, sockets: Mapping[str, socket.socket], path: str) -> DataPlane:
        report = partial(self._tell, f"worker {number}")
        recording, count = self._metering.recording, self._metering.taker(number)
        if self._memory is None:
            return self._make_local(self.static, self.registry, sockets, path, self._secrets, report, recording, count)
        idle = idle_in_workers(self.registry, self.static.providers.kinds)
        shared = self._secrets, report, self._memory, recording, count, idle, self._resolvers.challenges.shown
        return Process(number, self.static, sockets, path, *shared)

    async def _is_well(self, listeners: Sockets) -> bool:
        """Every worker answers, and so does ping where it is enabled (operations.md §1.10)."""
        if self._stopping.is_set() or self._ping.awaits_providers:  # ping says so, and whoever waits is not ill
            return True
        if not all(worker.alive for worker in self._workers):
            return False
        ping = self.static.ping
        point = self.static.entry_points.get(ping.entry_point) if ping is not None else None
        if ping is None or point is None or ping.manual_routing:
            return True
        try:
            await ask_ping(reachable(*listeners[ping.entry_point].getsockname()[:2]), point.http.tls is not None)
        except NotWell as reason:
            log.error("the self check fails: %s", reason)
            return self._stopping.is_set()
        return True

    async def _apply(self, tree: Tree, delta: Delta, problems: Sequence[Problem]) -> None:
        self._tell("dynamic", [*problems])
        self._metering.expect(tree)
        await asyncio.gather(*(worker.apply(tree, delta) for worker in self._workers))
        await self._metering.applied(tree, bool(delta))
        self._knowledge.tree = tree
        await self._checker.follow(tree, delta)
        self._tell("certificates", await self._resolvers.follow(tree))
        if delta:
            log.info("a new configuration is in force: %s", delta)

    def _problems(self) -> Iterator[tuple[str, Problem]]:
        """All that is wrong now, and who found it."""
        for source, problems in self._known.items():
            if source != "dynamic":
                yield from ((source.partition(" ")[0], problem) for problem in problems)
        yield from (("dynamic", problem) for problem in (self._watcher.problems if self._watcher is not None else ()))

    def _restarts(self) -> dict[int, int]:
        return {worker.number: worker.restarts for worker in self._workers if isinstance(worker, Process)}

    def _learn(self, news: News) -> None:
        for worker in self._workers:
            worker.learn(news)

    def _tell(self, source: str, problems: Sequence[Problem]) -> None:
        """Log each problem once for as long as it lasts, whoever finds it."""
        known = frozenset[Problem]().union(*self._known.values())
        for problem in dict.fromkeys(problems):
            if problem not in known:
                level = logging.WARNING if problem.warning and not problem.loud else logging.ERROR
                log.log(level, "%s", problem, extra=places(problem.path))
        self._known[source] = frozenset(problems)

    def _handle_signals(self, watcher: Watcher) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, watcher.refresh)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen)

    def _reopen(self) -> None:
        """Files of logs have been moved away: all of us open new ones."""
        self._reopen_logs()
        for worker in self._workers:
            worker.reopen()


async def _either(*events: asyncio.Event) -> None:
    """Wait for the first of them."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
