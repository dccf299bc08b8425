"""`entryPoints.<name>` (operations.md §2.1)."""

import re
from typing import Final

from attrs import field, frozen

from pointsman.config.http_model import RouterTLS
from pointsman.values import Duration, allow_empty, option

MAX_PRIORITY: Final = 2**63 - 1
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]*\]|[^\[\]:/\s]*):(?P<port>[0-9]{1,5})(?:/(?P<protocol>[^/]*))?")


@frozen
class Listen:
    """Where an entry point listens; the host is empty for all interfaces, without brackets for IPv6."""

    host: str
    port: int
    protocol: str = "tcp"


def parse_address(text: str) -> Listen:
    """`[host]:port[/tcp|/udp]`, protocol in any case. ValueError if it is something else."""
    if not (found := _ADDRESS.fullmatch(text)):
        raise ValueError(f"'{text}' is not an address; write [host]:port, such as :80 or 127.0.0.1:8080/udp")
    protocol = "tcp" if found["protocol"] is None else found["protocol"].lower()
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"invalid protocol '{found['protocol']}' in '{text}'; use tcp or udp")
    port = int(found["port"])
    if port > 65535:
        raise ValueError(f"the port in '{text}' is beyond 65535")
    return Listen(found["host"].strip("[]"), port, protocol)


@frozen
class ProxyProtocol:
    """Whose PROXY headers are believed (operations.md §2.4)."""

    insecure: bool = option(default=False, help="Believe the PROXY header of every peer")
    trusted_ips: list[str] = option("trustedIPs", factory=list, help="Peers whose PROXY header is believed")


@frozen
class ForwardedHeaders:
    """Whose X-Forwarded-* headers are believed (operations.md §2.3)."""

    insecure: bool = option(default=False, help="Trust the forwarded headers of every peer")
    trusted_ips: list[str] = option("trustedIPs", factory=list, help="Peers whose forwarded headers are trusted")
    connection: list[str] = field(factory=list)
    not_append_x_forwarded_for: bool = False
    add_x_forwarded_scheme_headers: bool = option(
        default=False, help="Say X-Forwarded-Proto in X-Forwarded-Scheme and X-Scheme, too"
    )


@frozen
class RedirectEntryPoint:
    to: str = option(default="", help="Entry point, or :port, to redirect to")
    scheme: str = "https"
    permanent: bool = True
    priority: int = MAX_PRIORITY - 1


@frozen
class Redirections:
    entry_point: RedirectEntryPoint | None = None


@frozen
class EncodedCharacters:
    """Escapes that a path may hold (operations.md §2.5)."""

    allow_encoded_slash: bool = True
    allow_encoded_back_slash: bool = True
    allow_encoded_null_character: bool = True
    allow_encoded_semicolon: bool = True
    allow_encoded_percent: bool = True
    allow_encoded_question_mark: bool = True
    allow_encoded_hash: bool = True


@frozen
class EntryPointHTTP:
    """What is done to every HTTP request here."""

    middlewares: list[str] = option(factory=list, help="Middlewares, name@provider, before those of every router here")
    redirections: Redirections | None = None
    tls: RouterTLS | None = allow_empty(default=None)
    encoded_characters: EncodedCharacters | None = None
    encode_query_semicolons: bool = False
    sanitize_path: bool = option(default=True, help="Resolve . and .. and double slashes in paths")
    max_header_bytes: int = option(default=1048576, help="Largest request head in bytes; over it: 431")
    underscore_headers_strategy: str = ""
    """Deprecated; empty is `keep`."""
    alias_headers_strategy: str = option(
        default="", help="Headers whose name holds other than letters, digits and '-': keep, delete or reject"
    )


@frozen
class HTTP2:
    max_concurrent_streams: int = option(default=250, help="Streams per connection")
    max_decoder_header_table_size: int = 4096
    max_encoder_header_table_size: int = 4096


@frozen
class HTTP3:
    advertised_port: int = option(default=0, help="Port in Alt-Svc; 0 means the entry point's")


@frozen
class UDP:
    timeout: Duration = option(default=Duration(3.0), help="Idle time after which a UDP session ends")


@frozen
class LifeCycle:
    """Graceful stop (operations.md §2.9)."""

    request_accept_grace_timeout: Duration = option(default=Duration(0.0), help="How long to go on accepting after SIGTERM")
    grace_time_out: Duration = option(default=Duration(10.0), help="How long running requests may take to finish")


@frozen
class RespondingTimeouts:
    read_timeout: Duration = option(default=Duration(60.0), help="Whole request, body included; 0 is none")
    write_timeout: Duration = option(default=Duration(0.0), help="Writing the response; 0 is none")
    idle_timeout: Duration = option(default=Duration(180.0), help="Idle keep-alive connections")


@frozen
class Transport:
    life_cycle: LifeCycle = field(factory=LifeCycle)
    responding_timeouts: RespondingTimeouts = field(factory=RespondingTimeouts)
    keep_alive_max_requests: int = option(default=0, help="Requests per connection; 0 is no limit")
    keep_alive_max_time: Duration = option(default=Duration(0.0), help="Age of a connection; 0 is no limit")


@frozen
class EntryPointObservability:
    access_logs: bool = True
    metrics: bool = True
    tracing: bool = True
    trace_verbosity: str = "minimal"


@frozen
class EntryPoint:
    """One listening address and all that is done there."""

    address: str = option(default="", help="[host]:port[/tcp|/udp]")
    as_default: bool = option(default=False, help="Routers without entry points use this one")
    reuse_port: bool = option(default=False, help="Let other processes bind the same port")
    allow_acme_bypass: bool = option("allowACMEByPass", default=False)
    proxy_protocol: ProxyProtocol | None = allow_empty(default=None)
    forwarded_headers: ForwardedHeaders = field(factory=ForwardedHeaders)
    http: EntryPointHTTP = field(factory=EntryPointHTTP)
    http2: HTTP2 = field(factory=HTTP2)
    http3: HTTP3 | None = allow_empty(default=None)
    udp: UDP = field(factory=UDP)
    transport: Transport = field(factory=Transport)
    observability: EntryPointObservability = field(factory=EntryPointObservability)

    @property
    def wants_http3(self) -> bool:
        """Whether HTTP/3 is asked for where it can be: beside TCP."""
        return self.http3 is not None and self.listen.protocol == "tcp"

    @property
    def listen(self) -> Listen:
        """The parsed address. ValueError if it is not one, which the static checks have ruled out."""
        return parse_address(self.address)
