"""`serversTransport` of both sides, dynamic and static, as connections need them (routing.md §7)."""

from collections.abc import Sequence

from pointsman.config.http_model import ServersTransport
from pointsman.config.static import StaticServersTransport
from pointsman.config.tls_model import ClientTLS, PeerCertSAN
from pointsman.errors import ConfigError, Problem
from pointsman.net.client_tls import ClientTls
from pointsman.upstream.transport import TransportSettings

_KINDS = {"dnsname": "DNS", "uri": "URI"}


def transport_settings(transport: ServersTransport, path: str) -> tuple[TransportSettings, list[Problem]]:
    """A `http.serversTransports` entry, and warnings. ConfigError for one that cannot be used as it is meant."""
    tls, warnings = client_tls(transport, path)
    timeouts = transport.forwarding_timeouts
    settings = TransportSettings(
        max_idle=max_idle(transport.max_idle_conns_per_host),
        dial_timeout=max(0.0, timeouts.dial_timeout),
        response_header_timeout=max(0.0, timeouts.response_header_timeout),
        idle_timeout=max(0.0, timeouts.idle_conn_timeout),
        read_idle_timeout=max(0.0, timeouts.read_idle_timeout),
        ping_timeout=max(0.0, timeouts.ping_timeout),
        http2=not transport.disable_http2,
        tls=tls,
    )
    for key, value in (("readTimeout", timeouts.read_timeout), ("writeTimeout", timeouts.write_timeout)):
        if value:
            message = "has no effect; give the service timeouts.idle"
            warnings.append(Problem(f"{path}.forwardingTimeouts.{key}", message, warning=True))
    return settings, warnings


def default_settings(static: StaticServersTransport) -> tuple[TransportSettings, list[Problem]]:
    """`default@internal`, and warnings."""
    tls = ClientTls(skip_verify=static.insecure_skip_verify, authorities=static.root_cas)
    timeouts = static.forwarding_timeouts
    settings = TransportSettings(
        max_idle=max_idle(static.max_idle_conns_per_host),
        dial_timeout=max(0.0, timeouts.dial_timeout),
        response_header_timeout=max(0.0, timeouts.response_header_timeout),
        idle_timeout=max(0.0, timeouts.idle_conn_timeout),
        tls=tls,
    )
    return settings, _left_out(tls, "serversTransport")


def client_tls(config: ServersTransport | ClientTLS, path: str) -> tuple[ClientTls, list[Problem]]:
    """TLS towards servers, and a warning for each certificate left out. ConfigError for what cannot be used as it is meant.

    The block at `path` is one of HTTP or of TCP; what only the former has is as if absent in the latter.
    """
    if config.spiffe is not None:
        raise ConfigError(Problem(f"{path}.spiffe", "is not supported by this version; use certificates and peerCertURI"))
    http = config if isinstance(config, ServersTransport) else ServersTransport()
    try:
        tls = ClientTls(
            config.server_name,
            skip_verify=config.insecure_skip_verify,
            authorities=config.root_cas,
            pairs=[(pair.cert_file, pair.key_file) for pair in config.certificates],
            suites=http.cipher_suites,
            minimum=http.min_version,
            maximum=http.max_version,
            peer_uri=config.peer_cert_uri,
            peer_names=_names(config.peer_cert_sans, path),
        )
    except ValueError as error:
        raise ConfigError(Problem(path, str(error))) from None
    return tls, _left_out(tls, path)


def max_idle(configured: int) -> int:
    """`maxIdleConnsPerHost`: 0 is 2, and negative is none (routing.md §7.1)."""
    return 2 if configured == 0 else max(0, configured)


def _names(sans: Sequence[PeerCertSAN], path: str) -> list[tuple[str, str]]:
    names = []
    for place, san in enumerate(sans):
        kind = _KINDS.get(san.type.lower())
        if kind is None:
            raise ConfigError(
                Problem(f"{path}.peerCertSANs[{place}].type", f"unknown type {san.type!r}; write DNSName or URI")
            )
        names.append((kind, san.value))
    return names


def _left_out(tls: ClientTls, path: str) -> list[Problem]:
    return [Problem(f"{path}.{place}", f"left out: {message}", warning=True) for place, message in tls.problems]
