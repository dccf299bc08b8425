"""Requests that are sent more than once: their body kept in memory, and independent copies of all else.

No body is kept without a limit: where the dialect says none, AT_MOST holds, and what is larger streams on, once.
"""

from collections.abc import AsyncIterator
from typing import Final

from attrs import frozen

from pointsman.message import NOTHING, Body, HeaderList, Headers, Link, Request

AT_MOST: Final = 16 * 1024 * 1024
_HOP = frozenset((b"content-length", b"transfer-encoding", b"trailer", b"expect"))


@frozen
class Kept:
    """A body that can be had again and again, framed as it came."""

    content: bytes
    length: int | None
    trailers: HeaderList

    def body(self) -> Body:
        body = Body.of(self.content)
        body.length = self.length
        body.trailers = self.trailers.copy()
        return body


def kept_now(body: Body, limit: int) -> Kept | Body | None:
    """As `keep`, if that can be told without waiting; None if not."""
    if body.length is not None and body.length > limit:
        return body
    if not body.ended or body.attached:
        return None
    kept = Kept(body.take(), body.length, body.trailers)
    return kept if len(kept.content) <= limit else kept.body()


async def keep(body: Body, limit: int) -> Kept | Body:
    """The whole body, if it is no longer than `limit`; else a body that streams all of it, once."""
    kept = kept_now(body, limit)
    if kept is not None:
        return kept
    chunks: list[bytes] = []
    size = 0
    coming = aiter(body)
    async for chunk in coming:
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return _going_on(body, chunks, coming)
    return Kept(b"".join(chunks), body.length, body.trailers)


def _going_on(body: Body, chunks: list[bytes], coming: AsyncIterator[bytes]) -> Body:
    """What has been read, then the rest as it comes."""

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        chunks.clear()
        async for chunk in coming:
            yield chunk
        whole.trailers = body.trailers

    whole = Body.stream(stream(), body.length)
    return whole


def copied(request: Request, body: Body = NOTHING, link: Link | None = None) -> Request:
    """The same request again: headers and exchange of its own, so that nothing done to it shows on the first."""
    parsed = request.headers.parsed
    headers = Headers((), parsed) if parsed is not None else request.headers.copy()
    twin = request.apart(request.method, request.target, headers, body, link)
    twin.upgrade = request.upgrade
    twin.path = request.path
    twin.routing_path = request.routing_path
    twin.query = request.query
    twin._state = None if request._state is None else request._state.copy()
    twin.exchange.tried = request.exchange.tried
    return twin


def without_body(request: Request) -> None:
    """Make it a request with an empty body, and say so."""
    request.body = NOTHING
    headers = Headers([line for line in request.headers if line[0] not in _HOP])
    headers.add(b"content-length", b"0")
    request.headers = headers
