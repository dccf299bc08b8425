"""Certificates of clients, of servers, and our own (kubernetes.md §5.4). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pointsman_kubernetes.nginx.ingress import Ingress
from pointsman_kubernetes.nginx.references import References

SECRET: Final = "auth-tls-secret"
_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "off": ("NoClientCert", "no-client-cert"),
    "optional_no_ca": ("RequestClientCert", "request-client-cert"),
    "optional": ("VerifyClientCertIfGiven", "verify-client-cert-if-given"),
    "on": ("RequireAndVerifyClientCert", "require-and-verify-client-cert"),
}
"""From the mildest to the strictest."""
_STRICTNESS: Final = {kind: strictness for strictness, (kind, _) in enumerate(_TYPES.values())}


@frozen
class ClientCheck:
    """What is asked of clients on TLS connections."""

    name: str
    """Of the TLS options."""
    kind: str
    authority: str

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self.kind]

    @property
    def options(self) -> Mapping[str, Any]:
        return {"clientAuth": {"caFiles": [self.authority], "clientAuthType": self.kind}}


def client_check(ingress: Ingress, references: References) -> ClientCheck | None:
    """Denied if it is asked for and cannot be had."""
    if not ingress.annotations.has(SECRET):
        return None
    authority = references.authority(ingress, SECRET)
    kind, said = _kind(ingress)
    namespace, _, name = ingress.annotations.text(SECRET).partition("/")
    return ClientCheck(f"{namespace}-{len(namespace)}-{name}-{len(name)}-{said}", kind, authority)


def _kind(ingress: Ingress) -> tuple[str, str]:
    return _TYPES.get(ingress.annotations.text("auth-tls-verify-client"), _TYPES["on"])


def strictest(checks: Sequence[ClientCheck]) -> ClientCheck | None:
    """What a host asks for if its Ingresses ask for these: of those with the first one's authorities the strictest."""
    alike = [check for check in checks if check.authority == checks[0].authority]
    return max(alike, key=lambda check: check.strictness, default=None)


def certificate_headers(ingress: Ingress, check: ClientCheck | None) -> Mapping[str, Any] | None:
    """authTLSPassCertificateToUpstream; certificates that nobody checked before are checked by it."""
    if check is None or not ingress.annotations.flag("auth-tls-pass-certificate-to-upstream"):
        return None
    unchecked = check.kind == _TYPES["optional_no_ca"][0]
    made = {"clientAuthType": check.kind, **({"caFiles": [check.authority]} if unchecked else {})}
    return {"authTLSPassCertificateToUpstream": made}
