"""The middleware: a gRPC-Web request becomes a gRPC request, and its answer a gRPC-Web answer. Both stream.

A refusal that the gateway makes itself is told as gRPC-Web tells it, by a status in the head: a browser shows scripts
nothing of a plain 502. What a service answers that is no gRPC stays as it is.
"""

from collections.abc import Awaitable
from typing import ClassVar, Final

from attrs import frozen

from pointsman import Body, BuildContext, Handler, Headers, Request, Response, amended, transformed
from pointsman.dialect.grpc import is_grpc, status_for, word_of
from pointsman_grpcweb.cors import Origins, exposed, is_preflight, preflight
from pointsman_grpcweb.framing import Decoded, Framed, FramedText

GRPC: Final = b"application/grpc"
WEB: Final = b"application/grpc-web"
TEXT: Final = b"application/grpc-web-text"
DESCRIBED: Final = frozenset((b"content-type", b"content-length", b"content-encoding", b"x-content-type-options"))
SLICE_BYTES: Final = 64 * 1024


@frozen
class GrpcWebConfig:
    allow_origins: tuple[str, ...] = ()


class GrpcWeb:
    name: ClassVar[str] = "grpcWeb"
    span_name: ClassVar[str] = ""
    Config: ClassVar[type] = GrpcWebConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: GrpcWebConfig, context: BuildContext) -> None:
        self._origins = Origins(config.allow_origins)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        content_type = request.headers.get(b"content-type") or b""
        kind = _kind(content_type) if request.method == b"POST" else b""
        if not kind:
            return preflight(request, self._origins) if is_preflight(request) else call_next(request)
        about = [(b"vary", b"Origin"), *self._origins.lines(request.headers.get(b"origin") or b"")]
        _to_grpc(request, kind)

        def edit(response: Response) -> None:
            if is_grpc(response.headers.get(b"content-type")):
                _to_web(response, kind)
            elif request.exchange.error is not None or not request.exchange.attempts:
                _refuse(response, content_type, kind, request.exchange.error)
            raw = response.headers.raw
            raw += about
            raw.append((b"access-control-expose-headers", exposed(raw)))

        return amended(call_next, request, edit)


def _kind(content_type: bytes) -> bytes:
    """WEB or TEXT, the prefix that a gRPC-Web request's type has; b"" if it is none."""
    lower = content_type[: len(TEXT)].lower()
    return TEXT if lower == TEXT else WEB if lower.startswith(WEB) else b""


def _to_grpc(request: Request, kind: bytes) -> None:
    headers = request.headers
    headers.set(b"content-type", GRPC + (headers.get(b"content-type") or b"")[len(kind) :])
    headers.remove(b"content-length")
    headers.set(b"te", b"trailers")  # browsers may not say it, and servers may insist on it
    if kind is TEXT and request.body.length != 0:
        request.body = transformed(request.body, Decoded(), slice_bytes=SLICE_BYTES)


def _to_web(response: Response, kind: bytes) -> None:
    headers = response.headers
    headers.set(b"content-type", kind + (headers.get(b"content-type") or b"")[len(GRPC) :])
    headers.remove(b"content-length")
    headers.remove(b"trailer")
    frames = FramedText() if kind is TEXT else Framed()
    if response.content is None:
        response.body = transformed(response.body, frames)
    else:
        response.content = frames.write(response.content) + frames.end([])[0]


def _refuse(response: Response, content_type: bytes, kind: bytes, error: BaseException | None) -> None:
    """The same refusal as a status in the head, and no message (`Trailers-Only`)."""
    lines = [line for line in response.headers if line[0] not in DESCRIBED]
    lines += (
        (b"content-type", content_type),
        (b"grpc-status", b"%d" % status_for(response.status, error)),
        (b"grpc-message", word_of(response)),
    )
    if response.content is None:
        response.body.abandon()
    frames = FramedText() if kind is TEXT else Framed()
    response.status = 200
    response.headers = Headers(lines)
    response.body = Body.of(frames.end([])[0])
