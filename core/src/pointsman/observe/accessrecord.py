"""What the access log may say of a request: its fields, each read from a record (operations.md §3.3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from time import gmtime, localtime, strftime, time_ns
from typing import Any, Final
from urllib.parse import urlsplit

from pointsman.api import LogField
from pointsman.message import Exchange
from pointsman.net.ciphers import CIPHERS
from pointsman.spans import root_of

PROTOCOLS: Final = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0", 30: "HTTP/3.0"}
SERVER: Final = 1
ROUTER: Final = 2
TLS: Final = 4
TRACE: Final = 8
NAMED: Final = 16
"""What not every record has: a server that was asked, a router that matched ..."""

_SUITES: Final = {spelled: name for name, spelled in CIPHERS.items()}


class AccessRecord:
    """A request that is over. What several fields are made of is computed once, the rest when a format reads it."""

    __slots__ = (
        "_authority",
        "_starts",
        "attempt",
        "duration",
        "exchange",
        "has",
        "link",
        "origin",
        "request",
        "span",
        "start",
        "written",
    )

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        request: Any = exchange.request  # it has one by now
        self.request = request
        self.link = link = request.link
        self.attempt = attempt = exchange.attempt
        self.span = span = root_of(exchange)
        """That of the whole request."""
        self.has = (
            (SERVER if attempt is not None else 0)
            | (ROUTER if exchange.router else 0)
            | (TLS if link.tls is not None else 0)
            | (TRACE if span is not None else 0)
            | (NAMED if exchange.request_id else 0)
        )
        """Bits of what it can be asked for."""
        self.duration = int((exchange.finished - exchange.started) * 1e9)
        """Nanoseconds."""
        self.origin = int((attempt.finished - attempt.started) * 1e9) if attempt is not None else 0
        """Nanoseconds from when the server was chosen to the end of its answer; 0 if there was none."""
        self.written = time_ns()
        """Nanoseconds since 1970."""
        self.start = self.written - self.duration
        self._authority: tuple[str, str, str] | None = None
        self._starts: tuple[str, str] | None = None

    @property
    def starts(self) -> tuple[str, str]:
        """When handling began, UTC and here (RFC 3339, nanoseconds)."""
        found = self._starts
        if found is None:
            second, rest = divmod(self.start, 1_000_000_000)
            fraction = f".{rest:09}".rstrip("0") if rest else ""
            utc, local, zone = _second(second)
            found = self._starts = f"{utc}{fraction}Z", f"{local}{fraction}{zone}"
        return found

    @property
    def authority(self) -> tuple[str, str, str]:
        """What the client asked for, as it came: the authority, its host, its port or `-`."""
        found = self._authority
        if found is None:
            noted = self.exchange.noted
            authority: bytes = noted[0] if noted is not None else self.request.authority
            found = _split(authority) if len(authority) < 256 else _split.__wrapped__(authority)
            self._authority = found
        return found


# times


@lru_cache(maxsize=4)
def _second(second: int) -> tuple[str, str, str]:
    """A second in UTC, where this machine is, and the distance of the two."""
    moment = datetime.fromtimestamp(second).astimezone().isoformat()
    utc = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
    return utc, moment[:19], "Z" if moment.endswith("+00:00") else moment[19:]


@lru_cache(maxsize=4)
def clf_utc(second: int) -> str:
    """`23/Nov/2026:00:24:35 +0000`"""
    return _clf(gmtime(second)) + " +0000"


@lru_cache(maxsize=4)
def clf_local(second: int) -> str:
    moment = localtime(second)
    return _clf(moment) + strftime(" %z", moment)


_MONTHS: Final = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _clf(moment: Any) -> str:
    """English months, whatever the locale."""
    return f"{moment.tm_mday:02}/{_MONTHS[moment.tm_mon]}/{strftime('%Y:%H:%M:%S', moment)}"


def written(record: AccessRecord) -> str:
    """When the line is written, to the second."""
    _, local, zone = _second(record.written // 1_000_000_000)
    return local + zone


# the client and its request


def text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def client_host(record: AccessRecord) -> str:
    """The client, or the whole X-Forwarded-For of one that is believed (operations.md §2.3)."""
    link = record.link
    if link.trusted:
        said = record.request.headers.get_all(b"x-forwarded-for")
        if said:
            return b", ".join(said).decode("utf-8", "replace")
    host: str = link.client.host
    return host


def client_username(record: AccessRecord) -> str:
    user = record.exchange.user
    return user.decode("utf-8", "replace") if user else "-"  # a user in the target is refused


@lru_cache(maxsize=512)
def _split(authority: bytes) -> tuple[str, str, str]:
    """The authority, its host, its port or `-`."""
    whole = authority.decode("utf-8", "replace")
    host, colon, port = whole.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        return whole, whole, "-"
    return whole, host.removeprefix("[").removesuffix("]"), port


def request_path(record: AccessRecord) -> str:
    """The target as the client sent it; of an absolute one only path and query."""
    target: bytes = record.request.target
    if target[:1] != b"/" and b"://" in target:
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.decode("utf-8", "replace")


def request_path_alone(record: AccessRecord) -> str:
    """Without the query."""
    return request_path(record).partition("?")[0]


def request_count(record: AccessRecord) -> int:
    noted = record.exchange.noted
    return noted[1] if noted is not None else 0


def client_address(record: AccessRecord) -> str:
    return str(record.link.client)


# the server and its answer


def origin_size(record: AccessRecord) -> int:
    """Bytes of the body that the server sent, or the gateway in its place."""
    exchange, attempt = record.exchange, record.attempt
    if attempt is None:
        return 0
    if exchange.origin_bytes:
        return exchange.origin_bytes
    if attempt.response is None or attempt.response is exchange.response:
        return exchange.bytes_out
    length = attempt.response.body.length  # the client got another answer
    return length or 0


def gzip_ratio(record: AccessRecord) -> float | None:
    origin, sent = origin_size(record), record.exchange.bytes_out
    return origin / sent if origin and sent and origin != sent else None


@lru_cache(maxsize=4096)
def _host_of(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def service_address(record: AccessRecord) -> str:
    return _host_of(record.attempt.server.url)


# TLS


@lru_cache(maxsize=256)
def _subject(certificate: bytes) -> str:
    from cryptography import x509  # 13 MiB, for who needs it

    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


def tls_client_subject(record: AccessRecord) -> str | None:
    chain: Sequence[bytes] = record.link.tls.certificates()
    return _subject(chain[0]) if chain else None


def tls_version(record: AccessRecord) -> str:
    """`1.3`"""
    number: str = record.link.tls.version.removeprefix("TLSv")
    return number if "." in number else f"{number}.0"


def tls_cipher(record: AccessRecord) -> str:
    """As IANA calls it."""
    cipher: str = record.link.tls.cipher
    return _SUITES.get(cipher, cipher)


_NUMBERS: Final[Mapping[str, Callable[[AccessRecord], Any]]] = {
    "DownstreamContentSize": attrgetter("exchange.bytes_out"),
    "DownstreamStatus": attrgetter("exchange.status"),
    "Duration": attrgetter("duration"),
    "OriginContentSize": origin_size,
    "OriginDuration": attrgetter("origin"),
    "OriginStatus": lambda record: record.attempt.status if record.attempt is not None else 0,
    "Overhead": lambda record: record.duration - record.origin,
    "RequestContentSize": attrgetter("exchange.bytes_in"),
    "RequestCount": request_count,
    "RetryAttempts": attrgetter("exchange.retries"),
}
_WORDS: Final[Mapping[str, tuple[Callable[[AccessRecord], Any], int]]] = {
    "ClientAddr": (client_address, 0),
    "ClientPort": (attrgetter("link.client.port"), 0),
    "RequestProtocol": (lambda record: PROTOCOLS[record.request.version], 0),
    "RequestScheme": (lambda record: record.link.scheme.decode(), 0),
    "SpanId": (attrgetter("span.span_id"), TRACE),
    "StartLocal": (lambda record: record.starts[1], 0),
    "StartUTC": (lambda record: record.starts[0], 0),
    "TLSCipher": (tls_cipher, TLS),
    "TLSVersion": (tls_version, TLS),
    "TraceId": (attrgetter("span.trace_id"), TRACE),
    "span_id": (attrgetter("span.span_id"), TRACE),
    "trace_id": (attrgetter("span.trace_id"), TRACE),
}
_TEXTS: Final[Mapping[str, tuple[Callable[[AccessRecord], Any], int]]] = {
    "ClientHost": (client_host, 0),
    "ClientUsername": (client_username, 0),
    "RequestAddr": (lambda record: record.authority[0], 0),
    "RequestHost": (lambda record: record.authority[1], 0),
    "RequestId": (lambda record: text(record.exchange.request_id), NAMED),
    "RequestMethod": (lambda record: text(record.request.method), 0),
    "RequestPath": (request_path, 0),
    "RequestPort": (lambda record: record.authority[2], 0),
    "RouterName": (attrgetter("exchange.router"), ROUTER),
    "ServiceAddr": (service_address, SERVER),
    "ServiceName": (attrgetter("attempt.service"), SERVER),
    "ServiceURL": (attrgetter("attempt.server.url"), SERVER),
    "entryPointName": (attrgetter("link.entry_point"), 0),
}

FIELDS: Final[Mapping[str, LogField]] = {
    **{name: LogField(name, "number", read) for name, read in _NUMBERS.items()},
    **{name: LogField(name, "word", read, needs) for name, (read, needs) in _WORDS.items()},
    **{name: LogField(name, "text", read, needs) for name, (read, needs) in _TEXTS.items()},
    "GzipRatio": LogField("GzipRatio", "number", gzip_ratio, SERVER, always=False),
    "TLSClientSubject": LogField("TLSClientSubject", "text", tls_client_subject, TLS, always=False),
}
"""All fields that a user may name, but headers."""


def clf_fields(kept: Mapping[str, LogField]) -> Iterable[LogField]:
    """Two more for lines of text, made of those that are kept: the start, and the whole milliseconds it took."""
    if "StartUTC" in kept:
        yield LogField("StartCLF", "word", lambda record: clf_utc(record.start // 1_000_000_000))
    elif "StartLocal" in kept:
        yield LogField("StartCLF", "word", lambda record: clf_local(record.start // 1_000_000_000))
    milliseconds = "Duration" in kept
    yield LogField("DurationMs", "number", lambda record: record.duration // 1_000_000 if milliseconds else 0)


CLF: Final = ("StartCLF", "DurationMs")
WRITTEN: Final = LogField("time", "word", written)
