"""What requests and attempts are counted under, and how (operations.md §4.1). Pure.

A series holds what has come since it was told last; the control side keeps the totals.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.measures import Needs
from pointsman.message import HeaderList, Request, Response
from pointsman.net.ciphers import CIPHERS

HTTP: Final = "http"
GRPC: Final = "grpc"
GRPC_WEB: Final = "grpc-web"
OTHER: Final = "_other"
"""The value of a label that has had too many already."""

METHODS: Final[Mapping[bytes, str]] = {
    method: method.decode()
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PRI")
}
EXTENSION: Final = "EXTENSION_METHOD"
CLIENT_GONE: Final = 499
_EVENTS: Final = b"text/event-stream"
_GRPC: Final = b"application/grpc"
_UNKNOWN: Final = "2"
"""The gRPC status of an answer that says none."""
_GRPC_STATUSES: Final = {b"%d" % status: str(status) for status in range(17)}


_CIPHERS: Final = {spelled: name for name, spelled in reversed(tuple(CIPHERS.items()))}


class Series:
    """Requests of one kind: how many, how long they took, and what went through."""

    __slots__ = ("bytes_in", "bytes_out", "count", "labels", "places", "seconds")

    def __init__(self, labels: tuple[Any, ...], places: int) -> None:
        self.labels = labels
        self.count = self.bytes_in = self.bytes_out = 0
        self.seconds = 0.0
        self.places = [0] * places

    def told(self) -> list[Any]:
        """`[labels..., count, seconds, counts by place, bytes in, bytes out]`; from now on it counts anew."""
        told = [*self.labels, self.count, self.seconds, self.places, self.bytes_in, self.bytes_out]
        self.count = self.bytes_in = self.bytes_out = 0
        self.seconds = 0.0
        self.places = [0] * len(self.places)
        return told


def kind_of(request: Request) -> str:
    """What the label `protocol` calls it: websocket, sse, grpc-web, grpc or http, whichever is true first."""
    if request.upgrade and request.upgrade.lower() == b"websocket":
        return "websocket"
    headers = request.headers
    parsed = headers.parsed
    if parsed is not None and _EVENTS not in parsed.wire and _GRPC not in parsed.wire:
        return HTTP
    if any(_EVENTS in value for value in headers.get_all(b"accept")):
        return "sse"
    content_type = headers.get(b"content-type")
    if content_type is None or not content_type.startswith(_GRPC):
        return HTTP
    return GRPC_WEB if content_type.startswith(b"application/grpc-web") else GRPC


def grpc_code(response: Response | None, trailers: HeaderList | None) -> str:
    """What an answer to gRPC says of itself, in its head or in its trailers."""
    value = response.headers.get(b"grpc-status") if response is not None else None
    for name, said in trailers or ():
        if value is None and name == b"grpc-status":
            value = said
    return _GRPC_STATUSES.get(value or b"", _UNKNOWN)


def tls_cipher(name: str) -> str:
    """OpenSSL's `ECDHE-RSA-AES128-GCM-SHA256` -> `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, as configurations call it."""
    return _CIPHERS.get(name, name)


def tls_version(name: str) -> str:
    """OpenSSL's `TLSv1.3` -> `1.3`, `TLSv1` -> `1.0`."""
    number = name.removeprefix("TLSv")
    return number if "." in number else f"{number}.0"


def united(needs: Iterable[Needs]) -> Needs:
    """What all of these need. Header labels are told by the names of their headers, since two may call one differently."""
    all_needs = list(needs)
    return Needs(
        entry_points=any(each.entry_points for each in all_needs),
        routers=any(each.routers for each in all_needs),
        services=any(each.services for each in all_needs),
        servers=any(each.servers for each in all_needs),
        semantic=any(each.semantic for each in all_needs),
        boundaries=tuple(sorted({bound for each in all_needs for bound in each.boundaries})),
        header_labels={
            header: header
            for header in sorted({header.lower() for each in all_needs for header in each.header_labels.values()})
        },
    )
