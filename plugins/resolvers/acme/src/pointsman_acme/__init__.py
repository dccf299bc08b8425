"""Certificates by ACME (RFC 8555; operations.md §7)."""

from pointsman import CertificateResolver, hookimpl
from pointsman_acme.resolver import AcmeResolver as AcmeResolver


@hookimpl
def pointsman_certificate_resolvers() -> list[type[CertificateResolver]]:
    return [AcmeResolver]
