"""One path on one host, and all that was found out for it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from pointsman_kubernetes.backends import Address
from pointsman_kubernetes.nginx import bodies, headers, redirects, upstreams
from pointsman_kubernetes.nginx.access import addresses, passwords, snippet
from pointsman_kubernetes.nginx.canaries import Canary
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import ANY, Denied, Ingress, Target
from pointsman_kubernetes.nginx.limits import limits
from pointsman_kubernetes.nginx.references import References
from pointsman_kubernetes.nginx.rules import EVERYTHING, rule_of
from pointsman_kubernetes.nginx.tls import ClientCheck, certificate_headers, client_check

Middleware = Mapping[str, Any]
_PLAINTEXT_CERTIFICATES: Final = (
    "auth-tls-secret: plaintext requests are served without a certificate of the client; set force-ssl-redirect"
)


class Parts:
    """What all paths of one Ingress have in common. If some of it cannot be had, `denied` says why they answer 503."""

    def __init__(
        self, ingress: Ingress, config: KubernetesIngressNGINXConfig, references: References, allowed: frozenset[str]
    ) -> None:
        self.ingress = ingress
        self.secured = bool(ingress.tls)
        self.to_https = redirects.goes_to_https(ingress.annotations, self.secured)
        self.denied = ""
        self.check: ClientCheck | None = None
        self.transport: Mapping[str, Any] = {}
        self.passwords: Middleware | None = None
        self.addresses: Middleware | None = None
        self.headers: Middleware | None = None
        try:
            self.transport = upstreams.transport(ingress, config, references)
            self.check = client_check(ingress, references)
            self.passwords = passwords(ingress, references)
            self.addresses = addresses(ingress, config)
            self.headers = headers.custom_headers(ingress, references, allowed)
        except Denied as error:
            self.denied = str(error)
            ingress.tell(f"answers 503: {error}", loud=True)
        upstreams.tell_of_hash(ingress)
        if self.check and not self.to_https:
            ingress.tell(_PLAINTEXT_CERTIFICATES)


@define(eq=False)
class Location:
    """What becomes of a path, or of a default backend."""

    parts: Parts
    host: str
    target: Target
    name: str
    """Of its router for plaintext."""
    service: str
    addresses: Sequence[Address]
    path: str = ""
    kind: str = ANY
    rule: str = EVERYTHING
    priority: int = 0
    app_root: str = ""
    of_server: str = ""
    """The snippet of its host."""
    aliases: Sequence[str] = ()
    canary: Canary | None = None
    check: ClientCheck | None = None
    """What its host asks of clients on TLS connections."""
    untrusted: bool = field(default=False, init=False)
    """Whether that is not what it asks for itself, so that it is closed on TLS connections."""

    @property
    def ingress(self) -> Ingress:
        return self.parts.ingress

    @property
    def hosts(self) -> Sequence[str]:
        return [self.host, *self.aliases] if self.host else ()

    def ruled(self, *, regex: bool) -> "Location":
        self.rule = rule_of(
            self.hosts, self.path, self.kind, regex=regex, rewrite=self.ingress.annotations.text("rewrite-target")
        )
        return self

    def chain(self, config: KubernetesIngressNGINXConfig) -> Iterator[tuple[str, Middleware]]:
        """Its middlewares in order, with what their names end in: all but those that a router has to itself."""
        parts, ingress = self.parts, self.parts.ingress
        notes = ingress.annotations
        kind = next(iter(parts.passwords or ()), "").removesuffix("Auth")
        steps: Sequence[tuple[str, Middleware | None]] = (
            ("app-root", {"appRoot": {"path": self.app_root}} if self.app_root else None),
            ("redirect", redirects.redirect(notes)),
            (f"{kind}-auth", parts.passwords),
            ("buffering", bodies.buffering(ingress, config)),
            ("allowed-source-range", parts.addresses),
            ("cors", headers.cors(notes)),
            ("rewrite-target", upstreams.rewrite(ingress, self.path, self.kind)),
            ("vhost", upstreams.host(ingress, self.path, self.target)),
            *limits(notes),
            ("pass-certificate-to-upstream", certificate_headers(ingress, parts.check)),
            ("custom-headers", parts.headers),
            ("snippet", snippet(ingress, config, self.of_server)),
            ("retry", bodies.retry(ingress, config, len(self.addresses))),
        )
        for suffix, middleware in steps:
            if middleware is not None:
                yield suffix, middleware
