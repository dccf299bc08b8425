"""From locations to the document (kubernetes.md §5.3). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pointsman.dialect.gotemplate.printing import quoted
from pointsman_kubernetes.backends import Address, Unservable
from pointsman_kubernetes.names import norm
from pointsman_kubernetes.nginx import headers
from pointsman_kubernetes.nginx.canaries import Canary
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.endpoints import Endpoints
from pointsman_kubernetes.nginx.ingress import Ingress, Target
from pointsman_kubernetes.nginx.locations import Location, Middleware
from pointsman_kubernetes.nginx.naming import Names
from pointsman_kubernetes.nginx.redirects import TO_HTTPS, other_form, to_host
from pointsman_kubernetes.nginx.rules import EVERYTHING, of_root
from pointsman_kubernetes.nginx.upstreams import balancer, sticky

UNAVAILABLE: Final = "unavailable-service"
DEFAULT: Final = "default-backend"
LAST: Final = -(2**31)
"""The lowest priority."""
_NO_AUTHORIZATION: Final[Middleware] = {"headers": {"customRequestHeaders": {"Authorization": ""}}}
_TLS: Final = "-tls"
Chain = Sequence[tuple[str, Middleware]]
"""Middlewares with what their names end in."""


class Document:
    """What is published, while it is written. `plaintext` and `secured` are entry points; [] leaves them to the defaults."""

    def __init__(
        self,
        config: KubernetesIngressNGINXConfig,
        endpoints: Endpoints,
        hosts: set[str],
        plaintext: Sequence[str],
        secured: Sequence[str],
    ) -> None:
        self._config = config
        self._endpoints = endpoints
        self._services_of_tcp = Names()
        self._routers_of_tcp = Names()
        self._hosts = hosts
        self._points = {"": list(plaintext), _TLS: list(secured)}
        self._routers: dict[str, Any] = {}
        self._services: dict[str, Any] = {UNAVAILABLE: {"loadBalancer": {"servers": []}}}
        self._middlewares: dict[str, Any] = {}
        self._transports: dict[str, Any] = {}
        self._tcp: dict[str, dict[str, Any]] = {"routers": {}, "services": {}}
        self._options: dict[str, Any] = {}
        self._certificates: dict[str, Any] = {}
        self._rooted: set[str] = set()
        self._common_errors = False

    def data(self) -> Mapping[str, Any]:
        return {
            "http": {
                "routers": self._routers,
                "services": self._services,
                "middlewares": self._middlewares,
                "serversTransports": self._transports,
            },
            "tcp": {**self._tcp, "middlewares": {}, "serversTransports": {}},
            "udp": {"routers": {}, "services": {}},
            "tls": {
                "certificates": [self._certificates[key] for key in sorted(self._certificates)],
                "options": self._options,
                "stores": {},
            },
        }

    def certificate(self, key: str, certificate: str, private: str) -> None:
        """One that is served; `key` is the Secret's."""
        self._certificates[key] = {"certFile": certificate, "keyFile": private}

    def default_backend(self, addresses: Sequence[Address], namespace: str, target: Target) -> None:
        """That of the options: everything that nobody else serves, and pages in place of errors."""
        servers = [{"url": f"http://{address}"} for address in addresses]
        self._services[DEFAULT] = _observed({"loadBalancer": {"servers": servers}}, namespace, target)
        for end in ("", _TLS):
            router = {"rule": EVERYTHING, "priority": LAST, "service": DEFAULT}
            self._router(DEFAULT + end, end, {**router, **_seen(namespace, "")})
        self._common_errors = True

    def passthrough(self, ingress: Ingress, host: str, target: Target, addresses: Sequence[Address]) -> None:
        """TLS connections to a host go to its servers as they are."""
        servers = [{"address": str(each)} for each in addresses]
        wanted = f"{ingress.namespace}-{target.said}"
        service = self._services_of_tcp.of(wanted, ingress.namespace, target, tuple(addresses))
        self._tcp["services"][service] = {"loadBalancer": {"servers": servers}}
        router: dict[str, Any] = {"rule": f"HostSNI({quoted(host)})", "service": service, "tls": {"passthrough": True}}
        if points := self._points[_TLS]:
            router["entryPoints"] = points
        name = self._routers_of_tcp.of(f"{ingress.prefix}-{norm(host)}", host)
        self._tcp["routers"][name] = router

    def serve(self, location: Location, unrooted: Iterable[str]) -> None:
        """Its routers; `unrooted` are hosts whose `/` nobody serves."""
        if location.check:
            self._options[location.check.name] = location.check.options
        if not location.parts.denied:
            self._balance(location)
        passed = location.ingress.annotations.flag("ssl-passthrough")
        chain = list(location.chain(self._config))
        for end in ("",) if passed else ("", _TLS):
            self._serve(location, chain, end, location.host in unrooted)
        if not location.parts.denied and location.app_root:
            self._rooted.add(location.host)

    def _serve(self, location: Location, chain: Chain, end: str, unrooted: bool) -> None:
        name = location.name + end
        closed = bool(location.parts.denied) or (end == _TLS and location.untrusted)
        if closed:
            self._route(location, name, end, location.rule, UNAVAILABLE, ())
            return
        canary = location.canary
        service = f"{location.service}-wrr" if canary else location.service
        self._chained(location, chain, name, end, location.rule, service)
        if location.app_root and unrooted and location.host not in self._rooted:
            root = f"{name}-app-root"
            self._route(location, f"{root}-redirect", end, of_root(location.hosts), UNAVAILABLE, [root])
        if other := other_form(location.ingress.annotations, location.host, self._hosts):
            www = f"{name}-from-to-www-redirect"
            self._middlewares[www] = to_host(location.host)
            self._route(location, www, end, f"Host({quoted(other)})", UNAVAILABLE, [www])
        if canary and canary.by_request:
            rule = f"({location.rule}) && ({canary.by_request})"
            self._chained(location, chain, f"{location.name}-canary{end}", end, rule, f"{location.service}-canary")
        if canary and canary.against:
            rule = f"({location.rule}) && ({canary.against})"
            self._chained(location, chain, f"{location.name}-non-canary{end}", end, rule, location.service)

    def _chained(self, location: Location, common: Chain, name: str, end: str, rule: str, service: str) -> None:
        """A router with all middlewares of its location."""
        chain = [("redirect-scheme", TO_HTTPS)] if location.parts.to_https and not end else []
        if errors := self._errors(location, name):
            chain.append(("custom-http-errors", errors))
        chain += common
        self._middlewares |= {f"{name}-{suffix}": middleware for suffix, middleware in chain}
        self._route(location, name, end, rule, service, [f"{name}-{suffix}" for suffix, _ in chain])

    def _route(self, location: Location, name: str, end: str, rule: str, service: str, middlewares: Sequence[str]) -> None:
        seen = _seen(location.ingress.namespace, location.ingress.name)
        notes = location.ingress.annotations
        if notes.has("enable-access-log"):
            seen["observability"]["accessLogs"] = notes.flag("enable-access-log")
        router: dict[str, Any] = {"rule": rule, "service": service, **seen}
        if location.priority:
            router["priority"] = location.priority
        if middlewares:
            router["middlewares"] = list(middlewares)
        if end and location.check:
            router["tls"] = {"options": location.check.name}
        self._router(name, end, router)

    def _router(self, name: str, end: str, router: dict[str, Any]) -> None:
        if points := self._points[end]:
            router["entryPoints"] = points
        if end:
            router.setdefault("tls", {})
        self._routers[name] = router

    def _balance(self, location: Location) -> None:
        """Its services, and the way to their servers."""
        self._transports[location.ingress.prefix] = location.parts.transport
        canary = location.canary
        self._service(location, location.service, location.target, location.addresses, not canary or bool(canary.against))
        if canary:
            self._share(location, canary)

    def _share(self, location: Location, canary: Canary) -> None:
        second, both = f"{location.service}-canary", f"{location.service}-wrr"
        self._service(location, second, canary.target, canary.addresses, bool(canary.by_request))
        weighted: dict[str, Any] = {
            "services": [
                {"name": location.service, "weight": canary.total - canary.weight},
                {"name": second, "weight": canary.weight},
            ]
        }
        if cookie := sticky(location.ingress.annotations, "-wrr"):
            weighted["sticky"] = cookie
        self._services[both] = {"weighted": weighted, **self._unauthorized(location, both)}

    def _service(self, location: Location, name: str, target: Target, addresses: Sequence[Address], routed: bool) -> None:
        """`routed`: a router goes there directly."""
        notes, prefix = location.ingress.annotations, location.ingress.prefix
        service = _observed(
            {"loadBalancer": balancer(notes, self._config, addresses, prefix)}, location.ingress.namespace, target
        )
        self._services[name] = service | (self._unauthorized(location, name) if routed else {})

    def _unauthorized(self, location: Location, service: str) -> dict[str, Any]:
        """Servers do not get passwords that were checked here."""
        if not location.parts.passwords:
            return {}
        name = f"{service}-remove-authorization-header"
        self._middlewares[name] = _NO_AUTHORIZATION
        return {"middlewares": [name]}

    def _errors(self, location: Location, router: str) -> Middleware | None:
        ingress = location.ingress
        statuses = headers.error_statuses(ingress.annotations, self._config)
        service = DEFAULT if self._common_errors else ""
        own = ingress.annotations.text("default-backend")
        if own and ingress.annotations.list("custom-http-errors"):
            try:
                addresses = self._endpoints.of(ingress.namespace, Target(own), ingress.annotations)
            except Unservable as error:
                ingress.tell(f"default-backend: {error}; there are no pages of its own in place of errors")
            else:
                service = f"{DEFAULT}-{router}"
                made = {"loadBalancer": balancer(ingress.annotations, self._config, addresses, "")}
                self._services[service] = _observed(made, ingress.namespace, Target(own))
        return headers.error_pages(ingress, statuses, service, location.target) if statuses and service else None


def _observed(service: dict[str, Any], namespace: str, target: Target) -> dict[str, Any]:
    known = {"namespace": namespace, "name": target.service, "port": str(target.port)}
    return {**service, "observability": {"metadata": {"kubernetes": known}}}


def _seen(namespace: str, name: str) -> dict[str, Any]:
    known = {"kind": "Ingress", "namespace": namespace, **({"name": name} if name else {})}
    return {"observability": {"metadata": {"ingress": known}}}
