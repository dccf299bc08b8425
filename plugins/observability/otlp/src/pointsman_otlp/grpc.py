"""A unary gRPC call over the gateway's own HTTP/2 (gRPC over HTTP/2; OTLP 1.x, "OTLP/gRPC")."""

from base64 import b64decode
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from pointsman import Handler, Headers, Request, Response
from pointsman.dialect.collectors import AGAIN as STATUSES_AGAIN
from pointsman.dialect.collectors import DELIVERY_SECONDS, Patience, Undelivered, answered, content_of
from pointsman.dialect.protobuf import fields
from pointsman.errors import ConfigError, Problem

AGAIN: Final = frozenset((1, 4, 10, 11, 14, 15))
"""CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS."""
RESOURCE_EXHAUSTED: Final = 8
"""Again only where the collector says when."""
_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"
_PREFIX_BYTES: Final = 5
_CALL: Final = [
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"grpc-encoding", b"gzip"),
    (b"grpc-timeout", b"%dS" % DELIVERY_SECONDS),
]


def server_url(endpoint: str, insecure: bool) -> str:
    """For `ExporterContext.server`. ConfigError at `grpc.endpoint` for what is not `host:port`."""
    try:
        parts = urlsplit(f"//{endpoint.strip()}")
        if not parts.hostname or not parts.port or parts.netloc != endpoint.strip() or "@" in parts.netloc:
            raise ValueError("no scheme and no path; TLS is used unless there is insecure: true")
    except ValueError as error:
        raise ConfigError(Problem("grpc.endpoint", f"write it as host:port: {error}")) from None
    return f"{'h2c' if insecure else 'https'}://{parts.netloc}"


class GrpcCollector:
    """One method that is called with one gzipped message after the other."""

    def __init__(
        self, server: Handler, method: bytes, metadata: list[tuple[bytes, bytes]], patience: Patience | None = None
    ) -> None:
        self._server = server
        self._method = method
        own = {name for name, _ in _CALL}
        self._headers = [*_CALL, *(line for line in metadata if line[0] not in own)]
        self._patience = patience or Patience()

    async def post(self, message: bytes) -> bytes:
        """The message that answers this one. Undelivered if the status is another than OK."""
        framed = b"\x01" + len(message).to_bytes(4, "big") + message
        return await self._patience.deliver(lambda: self._once(framed))

    async def _once(self, framed: bytes) -> bytes:
        request = Request.own(b"POST", self._method, Headers(list(self._headers)), framed)
        try:
            response = await answered(self._server, request)
            content = await content_of(response)
        finally:
            request.finish()
        _check(response)
        return _message(content)


def _check(response: Response) -> None:
    """Undelivered unless the status of the call is OK."""
    said = dict([*response.headers, *response.body.trailers])
    status = said.get(b"grpc-status", b"")
    if not status.isdigit():
        again = response.status in STATUSES_AGAIN
        what = f"it answered {response.status}" if response.status != 200 else "it broke off"
        raise Undelivered(f"{what}, without a gRPC status; is it a gRPC server?", again=again)
    code = int(status[:4])
    if code == 0:
        return
    pause = _wanted_pause(said.get(b"grpc-status-details-bin", b""))
    word = unquote_to_bytes(said.get(b"grpc-message", b"")).decode("utf-8", "replace")[:200]
    again = code in AGAIN or (code == RESOURCE_EXHAUSTED and pause is not None)
    raise Undelivered(
        f"it answered with gRPC status {code}" + (f": {word!a}" if word else ""), again=again, after=pause or 0.0
    )


def _message(content: bytes) -> bytes:
    """The first message of an answer, b"" if it is compressed, which nobody asked for, or not whole."""
    size = int.from_bytes(content[1:_PREFIX_BYTES], "big")
    message = content[_PREFIX_BYTES : _PREFIX_BYTES + size]
    return message if content[:1] == b"\x00" and len(message) == size else b""


def _wanted_pause(details: bytes) -> float | None:
    """Seconds from the RetryInfo among the details of a status (google.rpc.Status); None without one."""
    try:
        status = b64decode(details + b"=" * (-len(details) % 4))
        for number, detail in fields(status):
            if number != 3 or not isinstance(detail, bytes):
                continue
            packed = dict(fields(detail))
            if packed.get(1) != _RETRY_INFO:
                continue
            delay = dict(fields(_bytes(dict(fields(_bytes(packed.get(2)))).get(1))))
            seconds, nanos = delay.get(1, 0), delay.get(2, 0)
            return float(seconds) + float(nanos) / 1e9 if isinstance(seconds, int) and isinstance(nanos, int) else 0.0
    except ValueError:
        pass
    return None


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""
