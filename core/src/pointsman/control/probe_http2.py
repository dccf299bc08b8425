"""Questions to servers over HTTP/2, each on a connection of its own: probes of `h2c://` servers, and of gRPC services.

They go the way that requests go: by the transport, and by its TLS settings.
"""

from collections.abc import Mapping
from typing import Final

from attrs import evolve
from yarl import URL

from pointsman.deadlines import Deadlines
from pointsman.message import NOTHING, Body, Exchange, Headers, Request, Response
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

CHECK: Final = b"/grpc.health.v1.Health/Check"
_NOTHING_ASKED: Final = b"\0\0\0\0\0"
"""A message without fields: the health of the server as a whole."""
_SERVING: Final = b"\0\0\0\0\x02\x08\x01"
MAX_ANSWER: Final = 1024


class Http2Questions:
    """Asks. GatewayError if there is no answer, ValueError if it cannot be asked or the answer is none."""

    def __init__(self) -> None:
        self._deadlines = Deadlines()

    async def status(
        self, transport: TransportSettings, url: URL, method: str, headers: Mapping[str, str]
    ) -> tuple[int, str | None]:
        """The status of `url` (its scheme is http, and HTTP/2 is spoken without asking), and where it points."""
        target = url.raw_path_qs.encode("ascii")
        response = await self._ask(transport, url, method.encode(), target, headers, NOTHING)
        response.body.abandon()
        location = response.headers.get(b"location")
        return response.status, None if location is None else location.decode("latin-1")

    async def serving(self, transport: TransportSettings, url: URL, headers: Mapping[str, str]) -> None:
        """Return if the gRPC server at `url` says that it is serving; ValueError if it does not."""
        asking = {**headers, "content-type": "application/grpc", "te": "trailers"}
        response = await self._ask(transport, url, b"POST", CHECK, asking, Body.of(_NOTHING_ASKED))
        body = response.body
        content = await body.read(MAX_ANSWER)
        said = [value for name, value in (*response.headers, *body.trailers) if name == b"grpc-status"]
        if response.status != 200 or not said:
            raise ValueError(f"status {response.status}, which is no answer of a gRPC server")
        if said != [b"0"]:
            raise ValueError(f"gRPC status {said[0].decode('latin-1')}")
        if content != _SERVING:
            raise ValueError("the server is not SERVING")

    async def _ask(
        self,
        transport: TransportSettings,
        url: URL,
        method: bytes,
        target: bytes,
        headers: Mapping[str, str],
        body: Body,
    ) -> Response:
        scheme = "https" if url.scheme == "https" else "h2c"
        peer = peer_from(f"{scheme}://{url.raw_authority.rpartition('@')[2]}")
        once = Transport(evolve(transport, max_idle=0, http2=True), self._deadlines)
        peer.pool = once.pool_for(peer)
        lines = Headers([(name.encode(), value.encode()) for name, value in headers.items() if name != "host"])
        authority = headers.get("host", "").encode() or peer.authority
        request = Request(method, target, lines, body, authority=authority)
        request.append_forwarded_for = False
        request.exchange = Exchange()
        return await Forwarder("probe", lambda request, tried: peer, once)(request)
