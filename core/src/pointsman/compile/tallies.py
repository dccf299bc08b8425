"""What entry points count for themselves, as metrics (docs/observability.md): read when numbers are to be told."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.measures import Kind
from pointsman.observe.numbers import Number, Numbers

Row = tuple[Kind, str, str, str]
"""Kind, name, help, and the attribute that holds the number, or numbers by reason."""

_TCP: Final[tuple[Row, ...]] = (
    ("counter", "pointsman_connections_total", "Connections accepted", "accepted"),
    ("counter", "pointsman_malformed_requests_total", "Requests that were refused before a router saw them", "refused"),
    ("counter", "pointsman_ambiguous_paths_total", "Requests refused since their path can be read as another", "ambiguous"),
    ("counter", "pointsman_http2_floods_total", "Connections ended since their client had work done for nothing", "calmed"),
    ("counter", "pointsman_tcp_unserved_total", "TCP connections for which no server could be had", "unserved"),
)
_BY_REASON: Final[tuple[Row, ...]] = (
    ("counter", "pointsman_tls_handshake_failures_total", "TLS handshakes that failed", "handshake_failures"),
    ("counter", "pointsman_proxy_headers_refused_total", "PROXY headers that were malformed", "refused_proxy_headers"),
    ("counter", "pointsman_http3_broken_off_total", "HTTP/3 connections broken off by surprise", "broken_off"),
)
_HTTP3: Final[tuple[Row, ...]] = (
    ("counter", "pointsman_http3_dropped_datagrams_total", "Datagrams that were nobody's, or could not be sent", "dropped"),
    ("counter", "pointsman_http3_address_checks_total", "Clients that had to show their address first", "retried"),
    ("counter", "pointsman_http3_turned_away_total", "Clients that found too many others", "turned_away"),
)
_UDP: Final[tuple[Row, ...]] = (
    ("gauge", "pointsman_udp_sessions", "UDP sessions now", "sessions"),
    ("counter", "pointsman_udp_sessions_total", "UDP sessions begun", "accepted"),
    ("counter", "pointsman_udp_sessions_refused_total", "UDP sessions refused: too many", "refused"),
    ("counter", "pointsman_udp_dropped_datagrams_total", "Datagrams that nobody took", "dropped"),
)
OPEN_CONNECTIONS: Final = "traefik_open_connections"
_OPEN_HELP: Final = "How many open connections exist, by entryPoint and protocol"


class Tallies:
    """The numbers of all entry points of a worker, by protocol. `read` brings `numbers` up to date."""

    def __init__(self, numbers: Numbers, tcp: Mapping[str, Any], http3: Mapping[str, Any], udp: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._tcp = tcp
        self._http3 = http3
        self._fixed = [*self._rows(tcp, _TCP), *self._rows(http3, _HTTP3), *self._rows(udp, _UDP)]
        self._open = {
            name: numbers.number("gauge", OPEN_CONNECTIONS, _OPEN_HELP, {"entrypoint": name, "protocol": "TCP"})
            for name in tcp
        }
        self._reasons: dict[tuple[str, str, str], Number] = {}

    def _rows(self, entries: Mapping[str, Any], rows: Iterable[Row]) -> list[tuple[Number, Any, str]]:
        return [
            (self._numbers.number(kind, name, help, {"entrypoint": point}), entry, attribute)
            for point, entry in entries.items()
            for kind, name, help, attribute in rows
        ]

    def read(self) -> None:
        for number, entry, attribute in self._fixed:
            found = getattr(entry, attribute)
            number.set(found if isinstance(found, int) else len(found))
        for point, entry in self._tcp.items():
            quic = self._http3[point].connections if point in self._http3 else 0
            self._open[point].set(len(entry.connections) - quic)
            for kind, name, help, attribute in _BY_REASON:
                for reason, count in getattr(entry, attribute).items():
                    key = (name, point, reason)
                    if key not in self._reasons:
                        labels = {"entrypoint": point, "reason": reason}
                        self._reasons[key] = self._numbers.number(kind, name, help, labels)
                    self._reasons[key].set(count)
