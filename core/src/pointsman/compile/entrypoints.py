"""Entry points of the static configuration, made ready for the connections they accept."""

import ipaddress

from pointsman.config.entrypoint_model import EntryPoint, EntryPointObservability
from pointsman.config.static import Static
from pointsman.dialect.escapes import denied_escapes
from pointsman.net.quic_library import has_quic
from pointsman.server.settings import EntrySettings, Network, Strategy

_STRATEGIES: dict[str, Strategy] = {"delete": "delete", "reject": "reject"}


def settings_for(name: str, point: EntryPoint, static: Static) -> EntrySettings:
    """What `operations.md` §2.1 says of one entry point, in the form that costs least per request."""
    proxy = point.proxy_protocol
    forwarded = point.forwarded_headers
    timeouts = point.transport.responding_timeouts
    allowed = point.http.encoded_characters
    return EntrySettings(
        name=name,
        max_header_bytes=point.http.max_header_bytes,
        read_timeout=max(0.0, timeouts.read_timeout),
        write_timeout=max(0.0, timeouts.write_timeout),
        idle_timeout=max(0.0, timeouts.idle_timeout),
        keep_alive_max_requests=point.transport.keep_alive_max_requests,
        keep_alive_max_time=max(0.0, point.transport.keep_alive_max_time),
        sanitise_path=point.http.sanitize_path,
        encode_query_semicolons=point.http.encode_query_semicolons,
        alias_headers=_STRATEGIES.get(point.http.alias_headers_strategy.lower(), "keep"),
        underscore_headers=_STRATEGIES.get(point.http.underscore_headers_strategy.lower(), "keep"),
        trust_all=forwarded.insecure,
        trusted=networks(forwarded.trusted_ips),
        kept_connection_headers=frozenset(name.lower().encode() for name in forwarded.connection),
        append_forwarded_for=not (forwarded.not_append_x_forwarded_for or static.global_.not_append_x_forwarded_for),
        scheme_headers=forwarded.add_x_forwarded_scheme_headers,
        proxy_protocol=proxy is not None,
        proxy_trust_all=proxy is not None and proxy.insecure,
        proxy_trusted=networks(proxy.trusted_ips) if proxy is not None else (),
        max_streams=point.http2.max_concurrent_streams or 250,
        decoder_table=point.http2.max_decoder_header_table_size or 4096,
        encoder_table=point.http2.max_encoder_header_table_size or 4096,
        alt_svc=_alt_svc(point) if point.wants_http3 and has_quic() else b"",
        answers_challenges=not point.allow_acme_bypass
        and any(
            each.acme is not None and each.acme.tls_challenge is not None for each in static.certificates_resolvers.values()
        ),
        denied_escapes=denied_escapes(allowed) if allowed is not None else (),
    )


def _alt_svc(point: EntryPoint) -> bytes:
    """What tells clients that they may come by HTTP/3 (operations.md §2.7)."""
    port = (point.http3.advertised_port if point.http3 is not None else 0) or point.listen.port
    return b'h3=":%d"; ma=2592000' % port


def networks(texts: list[str]) -> tuple[Network, ...]:
    """IP addresses and ranges. ValueError for one that is neither, which the static checks have ruled out."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def is_model(point: EntryPoint) -> bool:
    """Whether it adds something to every router, so that one on several has another name there (operations.md §1.9)."""
    http = point.http
    added = bool(http.middlewares) or http.tls is not None or http.encoded_characters is not None
    return added or point.observability != EntryPointObservability()
