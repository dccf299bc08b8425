"""One data process: receive, compile, start, swap, retire.

`Worker` is the data plane of one event loop; with `workers: 1` the control side holds it directly. `main` is the process
around it: it reads frames from the control side's socket and drains and leaves when that socket closes.
"""

import asyncio
import ctypes
import gc
import json
import logging
import os
import pickle
import signal
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import astuple, evolve

from pointsman.api import Handler
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.compile import Compiled, Compiler, Secrets, Surroundings
from pointsman.compile.counts import Counts
from pointsman.compile.entrypoints import settings_for
from pointsman.compile.journals import Logs
from pointsman.compile.middlewares import Place, Use, has_start
from pointsman.compile.services import ServiceEntry
from pointsman.compile.tcp_services import TcpServiceEntry
from pointsman.compile.tracing import with_traces
from pointsman.config.entrypoint_model import EntryPoint, LifeCycle
from pointsman.config.static import Static
from pointsman.control.listeners import http3_key
from pointsman.control.merge import Delta, Tree, applying, empty_tree
from pointsman.control.services import enabled
from pointsman.control.workers import Unanswered
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.inspection.questions import Witness, answering
from pointsman.logs import setup_logging
from pointsman.message import Request, Response
from pointsman.net.names import Names
from pointsman.net.pem import load_pair
from pointsman.observe.accesslog import AccessJournal
from pointsman.observe.meter import Counted, Recording
from pointsman.observe.observer import Signal
from pointsman.observe.series import METHODS
from pointsman.plugins import Registry, load_registry
from pointsman.routing.snapshot import Current, Snapshot
from pointsman.routing.table import RouteTable
from pointsman.server.entry import Entry
from pointsman.server.opening import ACME_PROTOCOL, Opening
from pointsman.server.udp import UdpEntry
from pointsman.shared import AcrossCommons, Commons, LocalCommons, MemoryFile
from pointsman.upstream.drain import Leaving
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.health import Down, News, mark
from pointsman.upstream.transport import Transport, TransportSettings, unix_peer

if TYPE_CHECKING:
    from pointsman.server.http3_entry import Http3Entry

log = logging.getLogger("pointsman.worker")

SLICE_SECONDS = 0.002
START_SECONDS = 10.0
RETIRE_SECONDS = 60.0
COUNT_SECONDS = 1.0
"""How often a worker tells what it has counted."""
MAX_CHALLENGES = 1024
"""Names that are proven at once."""
MAX_UNREAD = 1 << 20
"""Bytes that the control side has not read yet; above that what is counted waits."""


class Worker:
    """The data plane of one event loop."""

    def __init__(
        self,
        static: Static,
        registry: Registry,
        sockets: Mapping[str, socket.socket],
        control_socket: str | None = None,
        secrets: Secrets | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        commons: Commons | None = None,
        signals: Sequence[Signal] = (),
        recording: Recording | None = None,
    ) -> None:
        self.static = static
        self.counts = Counts(recording)
        self.loop = loop or asyncio.get_running_loop()
        self.deadlines = Deadlines()
        self.names = Names(max(0.0, static.dns_cache.ttl))
        self._sockets = {name: each for name, each in sockets.items() if each.type == socket.SOCK_STREAM}
        beside = {name: sockets[http3_key(name)] for name in self._sockets if http3_key(name) in sockets}
        self._servers: dict[str, asyncio.Server] = {}
        others = sockets.keys() - set(map(http3_key, beside))
        datagrams = {name: sockets[name] for name in others if sockets[name].type == socket.SOCK_DGRAM}
        internal = self._internal(control_socket, registry) if control_socket else {}
        around = Surroundings(
            static,
            registry,
            self.deadlines,
            internal,
            secrets or Secrets(),
            self.names,
            commons or LocalCommons(),
            (*signals, *self.counts.signals),
            time.monotonic,
            self.counts.numbers,
        )
        self._logs = Logs(around, os.environ)
        self._journal = AccessJournal(static.access_log, registry.log_formats, self.loop, self._logs.requests)
        self.reopen = self._journal.reopen
        around = evolve(around, signals=(*self._journal.signals, *around.signals))
        around, self._traces, problems = with_traces(around, os.environ)
        for problem in (*self._logs.problems, *problems):
            log.error("%s", problem)
        self.compiler = Compiler(around)
        self.compiled = Compiled(Snapshot({name: RouteTable.build(()) for name in self._sockets}), {})
        self.current = Current(self.compiled.snapshot)
        self.entries = {
            name: Entry(settings_for(name, static.entry_points[name], static), self.current, self.deadlines, self.loop)
            for name in self._sockets
        }
        self.http3_entries = self._http3(beside)
        self.udp_entries = {
            name: UdpEntry(name, each, self.current, static.entry_points[name].udp.timeout, self.names, self.loop)
            for name, each in datagrams.items()
        }
        self.counts.read_from(self.entries, self.http3_entries, self.udp_entries)
        self._applying = asyncio.Lock()
        self._down = Down()
        self._retired: deque[tuple[Snapshot, list[Any], asyncio.TimerHandle]] = deque()
        self._pruned = True
        """Whether every pool that is kept is of a server that some service has."""
        self._closing: set[asyncio.Task[None]] = set()

    def _http3(self, sockets: Mapping[str, socket.socket]) -> "dict[str, Http3Entry]":
        if not sockets:
            return {}
        from pointsman.server.http3_entry import Http3Entry  # needs a library that is not always there

        return {name: Http3Entry(self.entries[name], each) for name, each in sockets.items()}

    def _internal(self, path: str, registry: Registry) -> dict[str, Handler]:
        """The services that the control side answers, by way of its private socket (design.md §3)."""
        transport = Transport(TransportSettings(), self.deadlines, self.names)
        services: dict[str, Handler] = {}
        for name in (f"{each}@internal" for each in enabled(self.static, registry)):
            peer = unix_peer(path, name)
            peer.pool = transport.pool_for(peer)
            services[name] = _known_methods(Forwarder(name, RoundRobin(RoundRobinConfig(), None).over([peer]), transport))
        return services

    def answering(self, question: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
        """What the control side wants to know, in parts and pauses (inspection/questions.py)."""
        if question == "challenge":
            self.show(arguments["host"].encode(), arguments["pair"])
            return iter(())
        connections = {name: len(entry.connections) for name, entry in self.entries.items()}
        return answering(Witness(self.static, self.compiled, connections), question, arguments)

    def show(self, host: bytes, pair: Sequence[str] | None) -> None:
        """Show this pair to whoever checks that `host` is ours, or none any more. ValueError for none, or one too many."""
        challenges = self.current.challenges
        challenges.pop(host, None)
        if pair is not None:
            if len(challenges) >= MAX_CHALLENGES:
                raise ValueError(f"{MAX_CHALLENGES} names are being proven already")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols([ACME_PROTOCOL.decode()])
            load_pair(context, *pair)
            challenges[host] = context

    # configuration

    async def apply(self, tree: Tree) -> list[Problem]:
        """Serve by `tree` from now on. The problems found; what they touch is closed, the rest is served."""
        async with self._applying:
            failed: dict[Place, str] = {}
            while True:
                compiled = await self._compile(tree, failed)
                newly_failed = await self._start(compiled)
                if not newly_failed:
                    break
                failed |= newly_failed
            self._mark_new(compiled)
            old, self.compiled = self.compiled, compiled
            self.current.snapshot = compiled.snapshot
            await in_slices(_handing_over(compiled))
            self._renew(old, compiled)
            self._retire(old, compiled)
            self.counts.follow(compiled)
            problems: list[Problem] = compiled.problems
            return problems

    def _renew(self, old: Compiled, new: Compiled) -> None:
        """Whoever has agreed to TLS options which demand something else from now on must agree anew."""
        lapsed = set()
        for name, entry in old.tls.options.items():
            now = new.tls.options.get(name)
            if entry.terms is not None and (now is None or now.terms is None or not now.terms.agrees_with(entry.terms)):
                entry.terms.lapsed = True
                lapsed.add(name)
        if lapsed:
            for point in self.entries.values():
                point.renew(lapsed)

    async def _compile(self, tree: Tree, failed: Mapping[Place, str]) -> Compiled:
        """Compile without the cycle collector: over 10 000 routers one full pass of it would hold the loop for 0.1 s.

        What is there afterwards is frozen, out of its sight; a configuration has no cycles, and goes when nobody uses it.
        """
        gc.disable()
        try:
            compiled: Compiled = await in_slices(self.compiler.compile(tree, self.compiled, failed))
            return compiled
        finally:
            gc.freeze()
            gc.enable()

    def learn(self, news: News) -> None:
        """What active health checks found, for now and for every configuration to come."""
        self._down.learn(news)
        for service, states in news.items():
            entry = self.compiled.checked(service)
            if entry is not None:
                _mark(entry, states)

    def _mark_new(self, compiled: Compiled) -> None:
        """What is known to be down is not asked by a new configuration either. What is carried over knows already."""
        for service, states in self._down.news.items():
            entry = compiled.checked(service)
            if entry is not None and entry.health is not None and entry is not self.compiled.checked(service):
                _mark(entry, states)  # only where there still is a check that can bring them back

    async def _start(self, compiled: Compiled) -> dict[Place, str]:
        """Start what is new. What fails to is closed again, and named with the reason."""
        failed: dict[Place, str] = {}
        known = self.compiled.uses
        for place, use in compiled.uses.items():
            if known.get(place) is use or place[0] == "declared" or not has_start(use.instance):
                continue
            try:
                async with asyncio.timeout(START_SECONDS):
                    await use.instance.start()
            except Exception as error:
                failed[place] = f"cannot be started: {type(error).__name__}: {error}"
                await _close(use.instance)
        if failed:  # what did start is not taken over by the next attempt
            for place, use in compiled.uses.items():
                if known.get(place) is not use and place not in failed and has_start(use.instance):
                    await _close(use.instance)
        return failed

    def _retire(self, old: Compiled, new: Compiled) -> None:
        """When nobody is served by `old` any more, close what `new` did not take over."""
        dropped = [use.instance for use in _dropped(old, new) if hasattr(use.instance, "aclose")]
        kept = {id(transport) for transport in new.reached}
        dropped += [transport for transport in old.reached if id(transport) not in kept]
        snapshot = old.snapshot
        snapshot.retired = True
        snapshot.on_free = self._free
        timer = self.loop.call_later(RETIRE_SECONDS, self._force, snapshot)
        self._retired.append((snapshot, dropped, timer))
        self._later(self._let_go(old, new))
        self._free()

    def _free(self) -> None:
        while self._retired and not self._retired[0][0].holders:
            _, dropped, timer = self._retired.popleft()
            timer.cancel()  # it would keep all of the configuration that long
            if dropped:
                self._later(_close_all(dropped))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _let_go(self, old: Compiled, new: Compiled) -> None:
        """Servers that have left a service may finish what they have begun, for as long as the service says."""
        leaving: dict[float, list[Leaving]] = {}
        for number, (name, entry) in enumerate(old.services.items()):
            now = new.services.get(name)
            if now is not entry:
                self._pruned = False
                stays = {peer.url for peer in now.peers} if now is not None else ()
                left = [Leaving(name, peer.url, peer.pool) for peer in entry.peers if peer.url not in stays]
                if left and entry.drain_seconds >= 0:
                    leaving.setdefault(entry.drain_seconds, []).extend(left)
            if number % 512 == 511:
                await asyncio.sleep(0)
        if not self._pruned:
            await self._prune(new)
        for seconds, servers in leaving.items():
            self.loop.call_later(seconds, self._end, servers)

    def _end(self, servers: Sequence[Leaving]) -> None:
        """The time to finish is over, for those that have not come back."""
        for server in servers:
            entry = self.compiled.services.get(server.service)
            if entry is None or all(peer.url != server.url for peer in entry.peers):
                server.end()

    async def _prune(self, compiled: Compiled) -> None:
        """Let go of the connections to servers that are in no service any more."""
        used: set[Any] = set()
        for number, service in enumerate(compiled.services.values()):
            used.update(peer.pool for peer in service.peers)
            if number % 512 == 511:
                await asyncio.sleep(0)
        if compiled is self.compiled:  # else the next one has its own turn
            self._pruned = True
            for entry in (self.compiler.default_transport, *compiled.transports.values()):
                entry.transport.prune(used)

    def _force(self, snapshot: Snapshot) -> None:
        """Long streams do not keep what they began under alive for ever."""
        if any(retired is snapshot for retired, *_ in self._retired):
            snapshot.holders = 0
            self._free()

    # serving

    async def serve(self) -> None:
        """Accept connections on every socket."""
        await self._logs.start()
        if self._traces is not None:
            await self._traces.start()
        for name, listening in self._sockets.items():
            entry = self.entries[name]
            self._servers[name] = await self.loop.create_server(
                lambda entry=entry: Opening(entry),  # type: ignore[misc]
                sock=listening,
                backlog=4096,
            )
        for udp_entry in self.udp_entries.values():
            udp_entry.start()
        for http3_entry in self.http3_entries.values():
            http3_entry.start()

    async def stop(self) -> None:
        """Stop gracefully: every entry point in its own time (operations.md §2.9)."""
        points = self.static.entry_points
        await asyncio.gather(
            *(self._stop_entry(name, points[name]) for name in self._servers),
            *(self._stop_udp_entry(entry, points[name].transport.life_cycle) for name, entry in self.udp_entries.items()),
        )
        await asyncio.gather(*(each.stop() for each in (self._traces, self._logs) if each is not None))
        async with self._applying:
            await _close_all([use.instance for use in self.compiled.uses.values() if hasattr(use.instance, "aclose")])
        self.compiler.default_transport.transport.close()
        for transport in self.compiled.reached:
            transport.close()
        if self._closing:
            await asyncio.wait(self._closing, timeout=5)
        await self._journal.aclose()

    async def _stop_entry(self, name: str, point: EntryPoint) -> None:
        life = point.transport.life_cycle
        if life.request_accept_grace_timeout > 0:
            await asyncio.sleep(life.request_accept_grace_timeout)
        entry, http3 = self.entries[name], self.http3_entries.get(name)
        self._servers[name].close()
        if http3 is not None:
            http3.drain()
        entry.drain()
        if entry.connections and life.grace_time_out > 0:
            try:
                async with asyncio.timeout(life.grace_time_out):
                    await entry.empty.wait()
            except TimeoutError:
                log.warning(
                    "entry point %s: %d connections cut after the grace time",
                    name,
                    len(entry.connections),
                    extra={"entryPointName": name},
                )
        entry.cut()
        if http3 is not None:
            http3.close()

    async def _stop_udp_entry(self, entry: UdpEntry, life: LifeCycle) -> None:
        if life.request_accept_grace_timeout > 0:
            await asyncio.sleep(life.request_accept_grace_timeout)
        entry.drain()
        if entry.sessions and life.grace_time_out > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(life.grace_time_out):
                    await entry.empty.wait()
        entry.cut()


class Local:
    """The one worker of `workers: 1`, in the control side's own process."""

    def __init__(
        self,
        static: Static,
        registry: Registry,
        sockets: Mapping[str, socket.socket],
        control_socket: str | None,
        secrets: Secrets,
        report: Callable[[Sequence[Problem]], None],
        recording: Recording | None = None,
        count: Callable[[Counted], None] | None = None,
    ) -> None:
        self._worker = Worker(static, registry, sockets, control_socket, secrets, recording=recording)
        self._report = report
        self._count = count
        self.alive = True
        self.learn = self._worker.learn
        self.serve = self._worker.serve
        self.stop = self._worker.stop
        self.reopen = self._worker.reopen

    async def apply(self, tree: Tree, delta: Delta) -> None:
        self._report(await self._worker.apply(tree))

    async def count(self) -> None:
        count = self._count
        if count is None:
            return
        for news in self._worker.counts.news():
            count(news)
            await asyncio.sleep(0)

    async def ask(self, question: str, arguments: Mapping[str, Any]) -> list[Any]:
        parts: list[Any] = []
        await answer(self._worker, question, arguments, parts.append)
        return parts


async def answer(worker: Worker, question: str, arguments: Mapping[str, Any], take: Callable[[Any], None]) -> None:
    """Answer a question, part by part. Unanswered says why it cannot be."""
    until = time.perf_counter() + SLICE_SECONDS
    try:
        for part in worker.answering(question, arguments):
            if part is not None:
                take(part)
            if time.perf_counter() >= until:
                await asyncio.sleep(0)
                until = time.perf_counter() + SLICE_SECONDS
    except (ConfigError, ValueError) as error:
        raise Unanswered(str(error), refused=True) from None


def _handing_over(compiled: Compiled) -> Iterator[None]:
    """What workers have seen of servers is known to who serves in their services' place, too."""
    successions, compiled.successions = compiled.successions, []
    for old, new in successions:
        new.care.take_over(old.care, old.peers)
        yield


def _mark(entry: ServiceEntry | TcpServiceEntry, states: Mapping[str, bool]) -> None:
    mark(entry.peers, states)
    if entry.health is not None:
        entry.health.changed()


async def in_slices(steps: Any) -> Any:
    """Run a generator to its end without holding the loop for longer than a slice; its return value."""
    until = time.perf_counter() + SLICE_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + SLICE_SECONDS


def _dropped(old: Compiled, new: Compiled) -> list[Use]:
    return [use for place, use in old.uses.items() if new.uses.get(place) is not use]


async def _close_all(instances: Sequence[Any]) -> None:
    for instance in instances:
        await _close(instance)


def _known_methods(handler: Handler) -> Handler:
    """501 for what no internal service knows (RFC 9110 §9.1); else the control side's library would say its own."""

    def handle(request: Request) -> Any:
        return handler(request) if request.method in METHODS else Response(501)

    return handle


async def _close(instance: Any) -> None:
    if isinstance(instance, Transport):
        instance.close()
        return
    try:
        async with asyncio.timeout(START_SECONDS):
            await instance.aclose()
    except Exception as error:
        log.error("closing %r failed: %r", instance, error)


# the process


async def _serve_control(control: socket.socket, sockets: Mapping[str, socket.socket], commons: Commons) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=control)
    leave = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    worker: Worker | None = None
    tree = empty_tree()
    work: asyncio.Task[None] | None = None
    telling: asyncio.Task[None] | None = None
    latest = 0
    answers: set[asyncio.Task[None]] = set()

    async def tell_counts(worker: Worker) -> None:
        for news in worker.counts.news():
            _tell(writer, {"news": news})
            await asyncio.sleep(0)

    async def keep_telling(worker: Worker) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            if writer.transport.get_write_buffer_size() < MAX_UNREAD:
                await tell_counts(worker)

    async def apply_latest(worker: Worker) -> None:
        done = 0
        while done != latest:
            done = latest
            problems = await worker.apply(tree)
            texts = [astuple(problem) for problem in problems]
            _tell(writer, {"applied": done, "problems": texts})

    leaving = loop.create_task(leave.wait())
    while True:
        frame = loop.create_task(_frame(reader))
        await asyncio.wait({frame, leaving}, return_when=asyncio.FIRST_COMPLETED)
        message = frame.result() if frame.done() else None
        if message is None:  # asked to leave, or the control side is gone
            frame.cancel()
            break
        kind, content = message
        if kind == "ping":
            _tell(writer, {"alive": True})
        elif kind == "begin":
            static, control_socket, secrets, recording, idle = content
            reopen = setup_logging(static.log)
            worker = Worker(
                static,
                load_registry(without=idle),
                sockets,
                control_socket,
                secrets,
                commons=commons,
                recording=recording,
            )
            if recording is not None:
                telling = loop.create_task(keep_telling(worker))
            gc.collect()
            gc.freeze()
        elif worker is None:
            continue
        elif kind == "delta":
            delta: Delta = content
            tree = await in_slices(applying(tree, delta))
        elif kind == "proofs":
            for host, pair in content.items():
                with suppress(ValueError):  # whoever asked for it is told by the others
                    worker.show(host.encode(), pair)
        elif kind == "apply":
            latest = content
            if work is None or work.done():
                work = loop.create_task(apply_latest(worker))
        elif kind == "health":
            worker.learn(content)
        elif kind == "count":
            await tell_counts(worker)
            _tell(writer, {"counted": content})
        elif kind == "reopen":
            reopen()
            worker.reopen()
        elif kind == "ask":
            asking = loop.create_task(_tell_answer(writer, worker, *content))
            answers.add(asking)
            asking.add_done_callback(answers.discard)
        elif kind == "serve":
            await worker.serve()
            _tell(writer, {"serving": True})
        elif kind == "stop":
            break
    for task in (work, telling):
        if task is not None:
            task.cancel()
    if worker is not None:
        await worker.stop()
        await tell_counts(worker)
    writer.close()


async def _tell_answer(
    writer: asyncio.StreamWriter, worker: Worker, number: int, question: str, arguments: Mapping[str, Any]
) -> None:
    try:
        await answer(worker, question, arguments, lambda part: _tell(writer, {"answered": number, "part": part}))
        _tell(writer, {"answered": number})
    except Unanswered as unanswered:
        _tell(writer, {"answered": number, "failed": str(unanswered), "refused": unanswered.refused})
    except Exception as error:
        log.exception("the question %s cannot be answered", question)
        _tell(writer, {"answered": number, "failed": repr(error)})


def _tell(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    writer.write(len(data).to_bytes(4, "big") + data)


async def _frame(reader: asyncio.StreamReader) -> tuple[str, Any] | None:
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        message: tuple[str, Any] = pickle.loads(await reader.readexactly(size))
        return message
    except (asyncio.IncompleteReadError, OSError):
        return None


def main(arguments: Sequence[str]) -> int:
    """`python -m pointsman.worker NUMBER CONTROL_FD MEMORY_FD NAME=FD ...`: started by the control side, never by hand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    number, control_descriptor, memory_descriptor = map(int, arguments[:3])
    control = socket.socket(fileno=control_descriptor)
    commons = AcrossCommons(MemoryFile(memory_descriptor), number)
    sockets = {}
    for argument in arguments[3:]:
        name, _, descriptor = argument.rpartition("=")
        sockets[name] = socket.socket(fileno=int(descriptor))
    run_loop(_serve_control(control, sockets, commons))
    return 0


def _keep_memory() -> None:
    """Have the C library keep what a body's pieces took for the next ones, instead of giving it back after each.

    Pieces of up to 256 KiB are above glibc's thresholds: every one cost calls into the kernel and fresh pages, up to half
    of what a chunked body costs (benches/RESULTS.md). Elsewhere than on glibc nothing is done.
    """
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_threshold, 4 << 20)
    mallopt(trim_threshold, 32 << 20)


def run_loop(main: Any) -> Any:
    """Run a coroutine on uvloop where there is one, on asyncio's own loop elsewhere."""
    sys.setswitchinterval(0.001)
    _keep_memory()
    gc.set_threshold(20_000, 20, 50)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
