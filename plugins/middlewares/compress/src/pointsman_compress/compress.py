"""The middleware: what the request says chooses an encoder, what the answer says decides whether it is used.

An answer that came whole is encoded whole and keeps a Content-Length. Any other is encoded on its way: flushed piece by
piece if nobody knows how long it will be, or if it is an event stream, for every piece may be news then.
"""

from collections.abc import Awaitable
from typing import ClassVar, Final

from attrs import define

from pointsman import BuildContext, Exchange, Handler, Request, Response, amended, sighted, transformed
from pointsman.dialect.mediatypes import essence
from pointsman.dialect.sniffing import SNIFF_BYTES, sniff
from pointsman.errors import ConfigError
from pointsman_compress.config import ENCODINGS, MIN_RESPONSE_BODY_BYTES, CompressConfig, media_types, problems_of
from pointsman_compress.encoders import ENCODERS, Encoder, Encoding
from pointsman_compress.negotiation import Negotiation

GRPC: Final = b"application/grpc"
WITHOUT_CONTENT: Final = frozenset((204, 206, 304))
"""Answers without a body, and with parts of one: a part of an encoding is not the encoding of a part."""
STALE: Final = frozenset((b"accept-ranges", b"content-length", b"content-md5", b"content-digest", b"repr-digest", b"digest"))
"""What is no longer true of an encoded body."""


class Compress:
    name: ClassVar[str] = "compress"
    Config: ClassVar[type] = CompressConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: CompressConfig, context: BuildContext) -> None:
        if problems := problems_of(config):
            raise ConfigError(problems)
        names = tuple(name.encode() for name in config.encodings or ENCODINGS)
        self._negotiation = Negotiation(names, config.default_encoding.encode())
        self._min_bytes = config.min_response_body_bytes if config.min_response_body_bytes > 0 else MIN_RESPONSE_BODY_BYTES
        self._excluded = media_types("excludedContentTypes", config.excluded_content_types) | {GRPC}
        self._included = media_types("includedContentTypes", config.included_content_types)
        self._looks = bool(self._included or config.excluded_content_types)
        """Whether the type of an answer that does not say it matters."""
        for kind in sorted(self._excluded | self._included):
            if b"*" in kind or b"/" not in kind:
                context.logger.warning(
                    "compress: '%s' is no type/subtype that an answer has, and matches none", kind.decode()
                )

    def bind(self, call_next: Handler) -> Handler:
        seeing = sighted(call_next, self._must_look)

        def handler(request: Request) -> Awaitable[Response]:
            encoder = self._encoder_for(request)
            if encoder is None:
                return call_next(request)
            return amended(seeing, request, lambda response: self._edit(response, encoder, request))

        return handler

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)

    def _encoder_for(self, request: Request) -> Encoder | None:
        if request.method == b"HEAD":
            return None
        accepted: list[bytes] = []
        for name, value in request.headers:
            if name == b"accept-encoding":
                accepted.append(value)
            elif name == b"content-type" and essence(value) in self._excluded:
                return None
        return ENCODERS.get(self._negotiation.choose(accepted))

    def _must_look(self, request: Request, response: Response) -> bool:
        """Whether the first bytes have to tell what the answer is."""
        head = Head.of(response)
        return head.kind is None and head.may_be_encoded and (self._looks or "contentType" in request.state)

    def _edit(self, response: Response, encoder: Encoder, request: Request) -> None:
        if response.status < 200:
            return
        head = Head.of(response)
        raw = response.headers.raw
        if not head.varies:
            raw.insert(0, (b"vary", b"Accept-Encoding"))
        content = response.content
        length = len(content) if content is not None else response.body.length
        if not head.may_be_encoded or (length is not None and length < self._min_bytes):
            return
        if length is None and response.body.ended and not response.glimpse(1):
            return
        kind = head.kind
        if kind is None and (self._looks or "contentType" in request.state):
            kind = sniff(first) if (first := response.glimpse(SNIFF_BYTES)) else None
        if not self._wants(kind):
            return
        if head.kind is None and kind is not None and "contentType" in request.state:
            raw.append((b"content-type", kind))
        raw[:] = [_weakened(line) for line in raw if line[0] not in STALE]
        raw.append((b"content-encoding", encoder.name))
        _encode(response, encoder, request.exchange, length is None or _is_event_stream(kind))

    def _wants(self, kind: bytes | None) -> bool:
        named = essence(kind) if kind is not None else b""
        return named in self._included if self._included else named not in self._excluded


@define
class Head:
    """What the headers of an answer say of its encoding."""

    kind: bytes | None = None
    """The Content-Type; None if there is none."""
    varies: bool = False
    """Whether caches know already that Accept-Encoding matters."""
    may_be_encoded: bool = True

    @classmethod
    def of(cls, response: Response) -> "Head":
        head = cls(may_be_encoded=response.status not in WITHOUT_CONTENT)
        for name, value in response.headers:
            if name == b"content-type":
                head.kind = value
            elif name == b"content-encoding" or name == b"content-range":
                head.may_be_encoded = False
            elif name == b"vary":
                head.varies = head.varies or bool({b"accept-encoding", b"*"} & _members(value))
            elif name == b"cache-control" and b"no-transform" in _members(value):
                head.may_be_encoded = False
        return head


def _members(value: bytes) -> set[bytes]:
    return {member.strip(b" \t") for member in value.lower().split(b",")}


def _is_event_stream(kind: bytes | None) -> bool:
    return kind is not None and essence(kind) == b"text/event-stream"


def _weakened(line: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """An ETag of an encoded body says that it means the same, not that it is the same (RFC 9110 §8.8.1)."""
    return (b"etag", b"W/" + line[1]) if line[0] == b"etag" and line[1].startswith(b'"') else line


def _encode(response: Response, encoder: Encoder, exchange: Exchange, flushing: bool) -> None:
    content = response.content
    if content is not None and len(content) <= encoder.slice_bytes:
        exchange.origin_bytes = len(content)
        response.content = encoder.whole(content)
        return
    exchange.origin_bytes = 0  # of this answer, should another attempt have come that far
    encoding = Encoding(encoder.stream(), exchange, flushing)
    response.body = transformed(response.body, encoding, slice_bytes=encoder.slice_bytes)
