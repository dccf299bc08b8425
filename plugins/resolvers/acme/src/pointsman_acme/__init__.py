"""Certificates by ACME (RFC 8555; operations.md §7)."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from pointsman import CertificateRequest, CertificateResolver, PublishCertificates, ResolverContext, hookimpl
from pointsman.dialect.resolvers import ACME


class Acme:
    """`certificatesResolvers.<name>.acme`. Libraries of 12 MiB are loaded by who has one, and not by every command."""

    name: ClassVar[str] = "acme"
    Config: ClassVar[type] = ACME

    def __init__(self, config: ACME, context: ResolverContext) -> None:
        from pointsman_acme.resolver import AcmeResolver

        self._resolver = AcmeResolver(config, context)

    async def resolve(self, wanted: AsyncIterator[Sequence[CertificateRequest]], publish: PublishCertificates) -> None:
        await self._resolver.resolve(wanted, publish)

    async def aclose(self) -> None:
        await self._resolver.aclose()


@hookimpl
def pointsman_certificate_resolvers() -> list[type[CertificateResolver]]:
    return [Acme]
