"""What metrics are called where names have dots (operations.md §4.4)."""

import re
from typing import Final

_OWN: Final = {
    "traefik_config_reloads_total": "config.reload.total",
    "traefik_config_last_reload_success": "config.reload.lastSuccessTimestamp",
    "traefik_tls_certs_not_after": "tls.certs.notAfterTimestamp",
}
_REQUESTS: Final = re.compile(r"((?:entrypoint|router|service)\.request)s(\.total|\.tls\.total)")


def dotted(name: str) -> str:
    """InfluxDB's, without the `traefik.` before it: `traefik_service_requests_total` -> `service.requests.total`.

    What is not of the catalogue keeps its words: `pointsman_refused_requests_total` -> `pointsman.refused.requests.total`.
    """
    known = _OWN.get(name)
    return known or name.removeprefix("traefik_").removesuffix("_seconds").replace("_", ".")


def singular(name: str) -> str:
    """StatsD's and Datadog's, which say `service.request.total`."""
    return _REQUESTS.sub(r"\1\2", dotted(name))
