"""How servers are reached, and what they see (kubernetes.md §5.4). Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.dialect.variables import Text
from pointsman_kubernetes.backends import Address
from pointsman_kubernetes.nginx.annotations import Annotations
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Ingress, Target
from pointsman_kubernetes.nginx.references import References
from pointsman_kubernetes.nginx.rules import expression

Middleware = Mapping[str, Any]
_PREFIX: Final = re.compile(r"/?[A-Za-z0-9._~/$:-]*")
_SCHEMES: Final = {"HTTPS": "https", "GRPCS": "https", "GRPC": "h2c"}


def scheme_of(notes: Annotations) -> str:
    return _SCHEMES.get(notes.text("backend-protocol").upper(), "http")


def transport(ingress: Ingress, config: KubernetesIngressNGINXConfig, references: References) -> Mapping[str, Any]:
    """The serversTransport. Denied if the certificates for it cannot be had."""
    notes = ingress.annotations
    seconds = {
        "dialTimeout": notes.number("proxy-connect-timeout", config.proxy_connect_timeout),
        "idleConnTimeout": config.upstream_keepalive_timeout,
    }
    made: dict[str, Any] = {"forwardingTimeouts": {name: f"{max(value, 0)}s" for name, value in seconds.items()}}
    version = notes.text("proxy-http-version")
    if version == "1.1":
        made["disableHTTP2"] = True
    elif version:
        ingress.tell(f"proxy-http-version: {version!r} is not 1.1, so it has no effect")
    if scheme_of(notes) == "https":
        made |= _certificates(ingress, references)
    return made


def _certificates(ingress: Ingress, references: References) -> dict[str, Any]:
    notes = ingress.annotations
    made: dict[str, Any] = {"insecureSkipVerify": notes.text("proxy-ssl-verify").lower() != "on"}
    if name := notes.text("proxy-ssl-name", notes.text("proxy-ssl-server-name")):
        made["serverName"] = name
    if notes.text("proxy-ssl-secret"):
        authority, own = references.identity(ingress, "proxy-ssl-secret")
        if authority:
            made["rootCAs"] = [authority]
        if own:
            made["certificates"] = [{"certFile": own[0], "keyFile": own[1]}]
    return made


def balancer(
    notes: Annotations, config: KubernetesIngressNGINXConfig, addresses: Sequence[Address], transport_name: str
) -> dict[str, Any]:
    """The loadBalancer over these addresses. A timeout between two bytes is one of its own here, not of its transport."""
    scheme = scheme_of(notes)
    servers = [{"url": f"{scheme}://{address}", **({"fenced": True} if address.fenced else {})} for address in addresses]
    read = max(notes.number("proxy-read-timeout", config.proxy_read_timeout), 0)
    write = max(notes.number("proxy-send-timeout", config.proxy_send_timeout), 0)
    idle = max(read, write) if read and write else 0
    made: dict[str, Any] = {"servers": servers, "timeouts": {"firstByte": f"{read}s", "idle": f"{idle}s"}}
    if servers and transport_name:
        made["serversTransport"] = transport_name
    if cookie := sticky(notes):
        made["sticky"] = cookie
    if expression := notes.text("upstream-hash-by"):
        made |= {"strategy": "hrw", "nginxUpstreamHashBy": expression}
    return made


def tell_of_hash(ingress: Ingress) -> None:
    """What is no variable in upstream-hash-by, for it sends everybody to the same server."""
    if unknown := Text(ingress.annotations.text("upstream-hash-by")).unknown:
        known = "; write $remote_addr" if "$binary_remote_addr" in unknown else ""
        ingress.tell(f"upstream-hash-by: {', '.join(unknown)} is no variable here, and the same for all requests{known}")


def sticky(notes: Annotations, suffix: str = "") -> Mapping[str, Any] | None:
    """The sticky cookie, its name with a suffix; None if there is none."""
    if notes.text("affinity") != "cookie":
        return None
    cookie: dict[str, Any] = {
        "name": notes.text("session-cookie-name", "INGRESSCOOKIE") + suffix,
        "httpOnly": True,
        "path": notes.text("session-cookie-path", "/"),
    }
    said = {
        "secure": notes.flag("session-cookie-secure"),
        "domain": notes.text("session-cookie-domain"),
        "sameSite": notes.text("session-cookie-samesite").lower(),
        "maxAge": notes.number("session-cookie-max-age"),
        "expires": notes.number("session-cookie-expires"),
    }
    return {"cookie": cookie | {key: value for key, value in said.items() if value}}


def rewrite(ingress: Ingress, path: str, kind: str) -> Middleware | None:
    """rewriteTarget."""
    target = ingress.annotations.text("rewrite-target")
    if target in ("", path):
        return None
    made = {"regex": expression(path, kind, target), "replacement": target}
    prefix = ingress.annotations.text("x-forwarded-prefix")
    if _PREFIX.fullmatch(prefix):
        made["xForwardedPrefix"] = prefix
    else:
        ingress.tell(f"x-forwarded-prefix: {prefix!r} is no path, so it has no effect")
    return {"rewriteTarget": {key: value for key, value in made.items() if value}}


def host(ingress: Ingress, path: str, target: Target) -> Middleware | None:
    """upstreamVHost."""
    if not ingress.annotations.has("upstream-vhost"):
        return None
    variables = {
        "$namespace": ingress.namespace,
        "$ingress_name": ingress.name,
        "$location_path": path,
        "$service_name": target.service,
        "$service_port": str(target.port),
    }
    return {"upstreamVHost": {"vHost": ingress.annotations.text("upstream-vhost"), "vars": variables}}
