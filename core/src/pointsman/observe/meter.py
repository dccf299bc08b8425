"""Metrics in one worker: a signal that counts, and tells what has come since it was asked last (operations.md §4).

Theory of operation. Each route has a watch of its own with a series per status, method and kind of request; a bump costs one
look-up, and entry point and router are labels of the same series: the control side adds up the families. A series that was
bumped is on the list of what is to be told, once. Series of headers' values and of hosts are dropped when there are many:
what they hold is on that list already, and the control side knows how many names it wants. Attempts are counted by service
and URL for the whole worker, and anew after each change of configuration, so what is gone is forgotten.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from pointsman.api import Peer
from pointsman.errors import NoServer
from pointsman.measures import Needs
from pointsman.message import Exchange, Request, Response
from pointsman.observe.observer import Attempt, Silent, Watch, Watched
from pointsman.observe.series import (
    CLIENT_GONE,
    EXTENSION,
    GRPC,
    GRPC_WEB,
    HTTP,
    METHODS,
    OTHER,
    Series,
    grpc_code,
    kind_of,
    tls_cipher,
    tls_version,
)

Counted = Mapping[str, list[Any]]
"""Rows by what they are: `routes`, `attempts`, `server`, `client`, `tls`, `retries`, `refusals`, `numbers`."""

ROWS: Final = 500
"""At most so many in one piece of news."""
MAX_VARIETY: Final = 2000
"""Series with values that clients choose, of one route, before they are made anew."""
MAX_VALUE_BYTES: Final = 256
"""Of a header that is a label; longer ones are `_other`."""
MAX_UNTOLD: Final = 20_000
"""Series to be told, above which such values are all `_other`."""
_SCHEMES: Final = frozenset((b"http", b"https", b"ws", b"wss"))
_VERSIONS: Final = {10: "1.0", 11: "1.1", 20: "2", 30: "3"}


@frozen
class Recording:
    """What workers are to count: the needs of all exporters together."""

    needs: Needs
    add_internals: bool = False


class Meter:
    """The signal. `watch` while compiling, `news` about once a second, `forget` when a new configuration is live."""

    def __init__(self, recording: Recording) -> None:
        self.needs = recording.needs
        self.add_internals = recording.add_internals
        self.bounds = self.needs.boundaries
        self.places = len(self.bounds) + 1
        self.headers = tuple(header.encode() for header in self.needs.header_labels)
        self.untold: dict[str, list[Series]] = {"routes": [], "attempts": [], "server": [], "client": []}
        self.attempts: dict[tuple[Any, ...], Series] = {}
        self.clients: dict[tuple[Any, ...], Series] = {}
        self.tls: dict[tuple[str, ...], int] = {}
        self.retries: dict[str, int] = {}
        self.refusals: dict[tuple[str, str], int] = {}

    @property
    def key(self) -> str:
        return "metrics"

    def watch(self, watched: Watched) -> Watch | None:
        needs = self.needs
        attempts = needs.services or needs.servers or needs.semantic
        return AttemptWatch(self, watched) if attempts and watched.router else RouteWatch(self, watched)

    def forget(self) -> None:
        """Another configuration: what is counted from now on is so anew."""
        self.attempts = {}
        self.clients = {}

    def bump(self, series: Series, family: str, seconds: float, bytes_in: int, bytes_out: int) -> None:
        if not series.count:
            self.untold[family].append(series)
        series.count += 1
        series.seconds += seconds
        series.places[bisect_left(self.bounds, seconds)] += 1
        series.bytes_in += bytes_in
        series.bytes_out += bytes_out

    def values_of(self, request: Request) -> tuple[str, ...]:
        """The values of the headers that are labels; what is not there is empty."""
        if len(self.untold["routes"]) > MAX_UNTOLD or len(self.untold["attempts"]) > MAX_UNTOLD:
            return (OTHER,) * len(self.headers)
        get = request.headers.get
        return tuple(_label(get(header) or b"") for header in self.headers)

    def news(self) -> Iterator[Counted]:
        """What has come since it was asked last, in pieces."""
        for family, untold in self.untold.items():
            self.untold[family] = []
            for at in range(0, len(untold), ROWS):
                yield {family: [series.told() for series in untold[at : at + ROWS]]}
        tls, self.tls = self.tls, {}
        retries, self.retries = self.retries, {}
        refusals, self.refusals = self.refusals, {}
        if refusals:
            yield {"refusals": [[*key, count] for key, count in refusals.items()]}
        if tls or retries:
            yield {"tls": [[*key, count] for key, count in tls.items()], "retries": [[*each] for each in retries.items()]}


class RouteWatch(Silent):
    """What is counted per request."""

    def __init__(self, meter: Meter, watched: Watched) -> None:
        self.meter = meter
        self._labels = (watched.entry_point, watched.router, watched.service)
        self._series: dict[tuple[Any, ...], Series] = {}
        self._servers: dict[tuple[Any, ...], Series] = {}

    def begin(self, exchange: Exchange) -> None:
        request = exchange.request
        assert request is not None
        exchange.kind = kind_of(request)
        tls = request.link.tls
        if tls is not None:
            self._count_tls("route", *self._labels, version=tls.version, cipher=tls.cipher)

    def _count_tls(self, *owner: str, version: str, cipher: str) -> None:
        key = (*owner, tls_version(version), tls_cipher(cipher))
        self.meter.tls[key] = self.meter.tls.get(key, 0) + 1

    def finish(self, exchange: Exchange) -> None:
        request = exchange.request
        assert request is not None
        meter, kind = self.meter, exchange.kind
        code: Any = exchange.status
        if kind is GRPC or kind is GRPC_WEB:
            code = grpc_code(exchange.response, exchange.trailers)
        key: tuple[Any, ...] = (code, METHODS.get(request.method, EXTENSION), kind)
        if meter.headers:
            key += meter.values_of(request)
        series = self._series.get(key) or self._new(key)
        seconds = exchange.finished - exchange.started
        if not series.count:
            meter.untold["routes"].append(series)
        series.count += 1
        series.seconds += seconds
        series.places[bisect_left(meter.bounds, seconds)] += 1
        series.bytes_in += exchange.bytes_in
        series.bytes_out += exchange.bytes_out
        if exchange.retries:
            service = exchange.attempt.service if exchange.attempt is not None else self._labels[2]
            meter.retries[service] = meter.retries.get(service, 0) + exchange.retries
        if meter.needs.semantic:
            self._as_server(exchange, request, seconds)

    def refused(self, exchange: Exchange, why: str) -> None:
        key = (self._labels[1], why)
        if key in self.meter.refusals or len(self.meter.refusals) < MAX_UNTOLD:
            self.meter.refusals[key] = self.meter.refusals.get(key, 0) + 1

    def _new(self, key: tuple[Any, ...]) -> Series:
        if len(self._series) > MAX_VARIETY:
            self._series.clear()
        code, *rest = key
        series = self._series[key] = Series((*self._labels, str(code), *rest), self.meter.places)
        return series

    def _as_server(self, exchange: Exchange, request: Request, seconds: float) -> None:
        told = request.headers.get(b"x-forwarded-proto")
        scheme = told if told in _SCHEMES else request.scheme
        key = (exchange.status, request.method, request.version, scheme, request.authority)
        series = self._servers.get(key)
        if series is None:
            if len(self._servers) > MAX_VARIETY:
                self._servers.clear()
            series = self._servers[key] = Series(self._semantic(key), self.meter.places)
        self.meter.bump(series, "server", seconds, 0, 0)

    def _semantic(self, key: tuple[Any, ...]) -> tuple[str, ...]:
        status, method, version, scheme, authority = key
        if len(self.meter.untold["server"]) > MAX_UNTOLD or len(authority) > MAX_VALUE_BYTES:
            authority = OTHER.encode()
        host, port = _split(authority.decode("utf-8", "replace"))
        return semantic_labels(status, method, version, scheme.decode(), host, port)


class AttemptWatch(RouteWatch):
    """And what is counted per attempt at a server, or where there was none to attempt."""

    def finish(self, exchange: Exchange) -> None:
        super().finish(exchange)
        if exchange.attempt is None and type(exchange.error) is NoServer:
            meter, kind = self.meter, exchange.kind
            request = exchange.request
            assert request is not None
            status = exchange.error.status
            code: Any = grpc_code(exchange.response, None) if kind is GRPC or kind is GRPC_WEB else status
            key: tuple[Any, ...] = (self._labels[2], "", code, METHODS.get(request.method, EXTENSION), kind)
            if meter.headers:
                key += meter.values_of(request)
            series = meter.attempts.get(key) or self._new_attempt(key)
            meter.bump(series, "attempts", 0.0, exchange.bytes_in, exchange.bytes_out)

    def attempt(self, attempt: Attempt) -> None:
        request = attempt.request
        exchange = attempt.exchange
        kind = exchange.kind if exchange.request is request else ""
        attempt.kind = kind if kind and kind is not GRPC_WEB else kind_of(request)
        tls = request.link.tls
        if tls is not None:
            self._count_tls("service", attempt.service, "", "", version=tls.version, cipher=tls.cipher)

    def attempted(self, attempt: Attempt) -> None:
        meter, exchange, kind = self.meter, attempt.exchange, attempt.kind
        status = attempt.status or CLIENT_GONE
        response = attempt.response
        code: Any = status if kind is HTTP else self._code(attempt, status)
        request = attempt.request
        server: Peer = attempt.server
        key: tuple[Any, ...] = (attempt.service, server.url, code, METHODS.get(request.method, EXTENSION), kind)
        if meter.headers:
            key += meter.values_of(request)
        series = meter.attempts.get(key) or self._new_attempt(key)
        if response is exchange.response or _passed_on(response, exchange.response):
            bytes_out = exchange.origin_bytes or exchange.bytes_out
        else:  # the client got another answer
            bytes_out = len(response.content or b"") if response is not None else 0
        seconds = attempt.finished - attempt.started
        if not series.count:
            meter.untold["attempts"].append(series)
        series.count += 1
        series.seconds += seconds
        series.places[bisect_left(meter.bounds, seconds)] += 1
        series.bytes_in += exchange.bytes_in
        series.bytes_out += bytes_out
        if meter.needs.semantic:
            self._as_client(attempt, status, seconds)

    def _code(self, attempt: Attempt, status: int) -> Any:
        if attempt.kind is not GRPC and attempt.kind is not GRPC_WEB:
            return status
        trailers = attempt.exchange.trailers if attempt.exchange.attempt is attempt else None
        return grpc_code(attempt.response, trailers)

    def _new_attempt(self, key: tuple[Any, ...]) -> Series:
        attempts = self.meter.attempts
        if len(attempts) > MAX_VARIETY and self.meter.headers:
            attempts.clear()
        service, url, code, *rest = key
        series = attempts[key] = Series((service, url, str(code), *rest), self.meter.places)
        return series

    def _as_client(self, attempt: Attempt, status: int, seconds: float) -> None:
        server = attempt.server
        key = (status, attempt.request.method, server.url, attempt.version)
        series = self.meter.clients.get(key)
        if series is None:
            scheme = "https" if server.tls else "http"
            where = scheme, server.host, str(server.port or "")
            labels = semantic_labels(status, attempt.request.method, attempt.version, *where)
            series = self.meter.clients[key] = Series(labels, self.meter.places)
        self.meter.bump(series, "client", seconds, 0, 0)


SEMANTIC: Final = (
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "network.protocol.name",
    "network.protocol.version",
    "server.address",
    "server.port",
    "url.scheme",
)
"""Attributes of OpenTelemetry's histograms, sorted; an empty one is not there."""


def semantic_labels(status: int, method: bytes, version: int, scheme: str, host: str, port: str) -> tuple[str, ...]:
    known = METHODS.get(method, "_OTHER")
    return (str(status) if status >= 400 else "", known, str(status), "http", _VERSIONS.get(version, ""), host, port, scheme)


def _passed_on(response: Response | None, answer: Response | None) -> bool:
    """Whether the body of a server's answer is that of what the client got."""
    if response is None or answer is None or response.content is not None or answer.content is not None:
        return False
    return response.body is answer.body


def _label(value: bytes) -> str:
    return value.decode("utf-8", "replace") if len(value) <= MAX_VALUE_BYTES else OTHER


def _split(authority: str) -> tuple[str, str]:
    """Host and port of an authority, `[::1]:80` included."""
    host, colon, port = authority.rpartition(":")
    if colon and port.isdecimal() and port.isascii() and not (":" in host and not host.endswith("]")):
        return host, port
    return authority, ""
