"""What a server needs to know of its entry point, made ready for the hot path."""

import ipaddress
from collections.abc import Collection
from typing import Literal

from attrs import Factory, define

from pointsman.message import Address
from pointsman.paths import Canonical

Strategy = Literal["keep", "delete", "reject"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HEAD_GRACE = 4096
"""A head may exceed `maxHeaderBytes` by this much before it is refused (operations.md §2.1)."""


@define
class EntrySettings:
    """One entry point, as its connections see it. Times in seconds, 0 for none."""

    name: str
    max_header_bytes: int = 1_048_576
    read_timeout: float = 60.0
    write_timeout: float = 0.0
    idle_timeout: float = 180.0
    keep_alive_max_requests: int = 0
    keep_alive_max_time: float = 0.0
    sanitise_path: bool = True
    encode_query_semicolons: bool = False
    alias_headers: Strategy = "keep"
    underscore_headers: Strategy = "keep"
    trust_all: bool = False
    trusted: Collection[Network] = ()
    kept_connection_headers: frozenset[bytes] = frozenset()
    append_forwarded_for: bool = True
    scheme_headers: bool = False
    """Whether X-Forwarded-Scheme and X-Scheme repeat X-Forwarded-Proto."""
    proxy_protocol: bool = False
    """Whether connections may begin with a PROXY header."""
    proxy_trust_all: bool = False
    proxy_trusted: Collection[Network] = ()
    max_streams: int = 250
    """HTTP/2 requests that one connection may have at once."""
    decoder_table: int = 4096
    encoder_table: int = 4096
    """Bytes of the two HPACK tables."""
    alt_svc: bytes = b""
    """What answers over TLS say of HTTP/3 on this entry point (RFC 7838), if it is served."""
    answers_challenges: bool = False
    """Whether whoever asks for `acme-tls/1` is answered before any router (operations.md §7.6)."""
    denied_escapes: tuple[bytes, ...] = ()
    paths: Canonical = Factory(lambda self: Canonical(self.sanitise_path), takes_self=True)
    server_name: bytes = Factory(lambda: _host_name())

    def trusts(self, peer: Address) -> bool:
        """Whether a peer's X-Forwarded-* headers are believed (operations.md §2.3)."""
        return self.trust_all or any(peer.ip in network for network in self.trusted)

    def believes_proxy(self, peer: Address) -> bool:
        """Whether what a peer's PROXY header says is believed (operations.md §2.4)."""
        return self.proxy_trust_all or any(peer.ip in network for network in self.proxy_trusted)


def _host_name() -> bytes:
    import socket

    return socket.gethostname().encode("ascii", "replace")
