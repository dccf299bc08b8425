"""Bodies that are taken in whole, and requests that are sent again (kubernetes.md §5.4). Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Ingress

Middleware = Mapping[str, Any]
_SIZE: Final = re.compile(r"[ \t]*([0-9]{1,15})[ \t]*([bkmg]?)[ \t]*", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_FILE_BYTES: Final = 1024**3
_UNLIMITED: Final = -1


def _size(ingress: Ingress, name: str, default: int) -> int:
    """Bytes, as nginx writes them; `default` for what is none, which the Ingress is told."""
    said = ingress.annotations.text(name)
    if not said:
        return default
    match = _SIZE.fullmatch(said)
    if match is None:
        ingress.tell(f"{name}: {said!r} is no size such as 8k or 1m, so it is {default} bytes")
        return default
    return int(match[1]) * _UNITS[match[2].lower()]


def _is_on(ingress: Ingress, name: str, default: bool) -> bool:
    return ingress.annotations.text(name) == "on" if ingress.annotations.has(name) else default


def buffering(ingress: Ingress, config: KubernetesIngressNGINXConfig) -> Middleware | None:
    """buffering of requests, of answers, or of both."""
    requests = _is_on(ingress, "proxy-request-buffering", config.proxy_request_buffering)
    answers = _is_on(ingress, "proxy-buffering", config.proxy_buffering)
    if not requests and not answers:
        return None
    made: dict[str, Any] = {
        "memRequestBodyBytes": config.client_body_buffer_size,
        "maxRequestBodyBytes": config.proxy_body_size,
        "memResponseBodyBytes": config.proxy_buffer_size * config.proxy_buffers_number,
    }
    if requests:
        made["memRequestBodyBytes"] = _size(ingress, "client-body-buffer-size", config.client_body_buffer_size)
        made["maxRequestBodyBytes"] = _size(ingress, "proxy-body-size", config.proxy_body_size)
    else:
        made["disableRequestBuffer"] = True
    if answers:
        buffers = max(ingress.annotations.number("proxy-buffers-number", config.proxy_buffers_number), 0)
        memory = _size(ingress, "proxy-buffer-size", config.proxy_buffer_size) * buffers
        made["memResponseBodyBytes"] = memory
        made["maxResponseBodyBytes"] = memory + _size(ingress, "proxy-max-temp-file-size", _FILE_BYTES)
    else:
        made["disableResponseBuffer"] = True
    return {"buffering": made}


def retry(ingress: Ingress, config: KubernetesIngressNGINXConfig, servers: int) -> Middleware | None:
    """retry, for as many servers; None if nothing is tried again."""
    notes = ingress.annotations
    conditions = notes.text("proxy-next-upstream", config.proxy_next_upstream).split()
    tries = notes.number("proxy-next-upstream-tries", config.proxy_next_upstream_tries) or servers
    statuses = [each.removeprefix("http_") for each in conditions if each.startswith("http_")]
    on_errors = "error" in conditions or "timeout" in conditions
    if tries <= 0 or "off" in conditions or not (statuses or on_errors):
        return None
    made: dict[str, Any] = {"attempts": tries, "maxRequestBodyBytes": _body_bytes(ingress, config, bool(statuses))}
    if statuses:
        made["status"] = statuses
    if not on_errors:
        made["disableRetryOnNetworkError"] = True
    if "non_idempotent" in conditions:
        made["retryNonIdempotentMethod"] = True
    seconds = notes.number("proxy-next-upstream-timeout", config.proxy_next_upstream_timeout)
    if seconds > 0:
        made["timeout"] = f"{seconds}s"
    return {"retry": made}


def _body_bytes(ingress: Ingress, config: KubernetesIngressNGINXConfig, by_status: bool) -> int:
    """How long a body may be that is kept for another try; -1: of any length."""
    if by_status and not _is_on(ingress, "proxy-request-buffering", config.proxy_request_buffering):
        return 0
    return _size(ingress, "proxy-body-size", config.proxy_body_size) or _UNLIMITED
