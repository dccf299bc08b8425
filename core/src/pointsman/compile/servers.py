"""Servers that plugins reach beside the services: one handler for each that is asked for, whoever asks.

What the instances of a running configuration have stays with them; what none has any more is closed when that one is.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, frozen

from pointsman.api import Handler
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.compile.parts import Surroundings
from pointsman.net.client_tls import SYSTEM, ClientTls
from pointsman.spans import REQUEST
from pointsman.upstream.impatient import ImpatientForwarder, Limits
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

Key = tuple[Any, ...]


@frozen(eq=False)
class ServerEntry:
    """One server, ready to be used."""

    key: Key
    handler: Handler
    transport: Transport


@define
class Servers:
    """The servers of one compilation."""

    around: Surroundings
    old: Mapping[Key, ServerEntry]
    built: dict[Key, ServerEntry]

    @classmethod
    def begin(cls, around: Surroundings, old: Mapping[Key, ServerEntry]) -> "Servers":
        return cls(around, old, {})

    def get(self, url: str, tls: ClientTls | None, timeout_seconds: float, span_name: str = REQUEST) -> ServerEntry:
        """The server of this URL, reached so. ValueError for a URL that is none, and for a name that is empty."""
        if not span_name:
            raise ValueError("a request to a server outside the services has a span, and that has a name")
        peer = peer_from(url)
        tls = tls or SYSTEM
        key = (peer.tls, peer.h2c, peer.authority, tls.identity, timeout_seconds, span_name)
        entry = self.built.get(key) or self.old.get(key)
        if entry is None:
            transport = Transport(TransportSettings(tls=tls), self.around.deadlines, self.around.names)
            peer.pool = transport.pool_for(peer)
            pick = RoundRobin(RoundRobinConfig(), None).over([peer])
            limits = Limits(request=timeout_seconds)
            handler = ImpatientForwarder(peer.url, pick, transport, pass_host=False, limits=limits, span_name=span_name)
            entry = ServerEntry(key, handler, transport)
        return self.keep(entry)

    def keep(self, entry: ServerEntry) -> ServerEntry:
        """It is in use in this compilation, too."""
        self.built[entry.key] = entry
        return entry
