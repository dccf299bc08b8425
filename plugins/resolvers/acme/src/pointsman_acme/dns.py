"""Names proven by records in their zones (DNS-01, RFC 8555 §8.4)."""

import asyncio
import base64
import hashlib
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.nameserver
import dns.query
import dns.rdatatype
import dns.resolver
from attrs import frozen

from pointsman.dialect.resolvers import DNSChallenge
from pointsman.errors import ConfigError, Problem
from pointsman_acme.asking import AuthorityError, in_thread
from pointsman_acme.dns_providers import DnsProvider, provider_named

LIMIT_SECONDS: Final = 120.0
"""How long a record may take to be seen."""
PAUSE_SECONDS: Final = 2.0
QUERY_SECONDS: Final = 5.0
MAX_ALIASES: Final = 20
PARTING_SECONDS: Final = 3.0
"""How long taking a record away may take when nobody waits for the certificate any more, or the gateway stops."""


@frozen
class Dns:
    """Puts records where they are asked for, and takes them away again."""

    challenge: DNSChallenge
    provider: DnsProvider

    @classmethod
    def of(cls, challenge: DNSChallenge, path: str) -> "Dns":
        """ConfigError for a provider that is unknown, or has not been told who we are."""
        try:
            return cls(challenge, provider_named(challenge.provider, os.environ))
        except ValueError as error:
            raise ConfigError(Problem(f"{path}.provider", str(error))) from None

    async def present(self, name: str, authorization: str) -> Callable[[], Awaitable[None]]:
        """Have the record there, and wait until it is seen. What takes it away. AuthorityError."""
        value = base64.urlsafe_b64encode(hashlib.sha256(authorization.encode()).digest()).decode().rstrip("=")
        resolver = await in_thread(_resolver, self.challenge.resolvers)
        record = await in_thread(_followed, resolver, f"_acme-challenge.{name}.")
        zone = await in_thread(_zone, resolver, record) if self.provider.wants_zone else ""

        async def undo() -> None:
            task = asyncio.current_task()
            try:
                async with asyncio.timeout(PARTING_SECONDS if task is not None and task.cancelling() else None):
                    await self.provider.cleanup(record, value, zone)
            except (OSError, ValueError):
                return  # a record that stays does no harm

        try:
            try:
                await self.provider.present(record, value, zone)
            except (OSError, ValueError) as error:
                raise AuthorityError(f"{record}: the DNS provider {self.challenge.provider}: {error}") from None
            await self._seen(resolver, record, value)
        except BaseException:
            await undo()
            raise
        return undo

    async def _seen(self, resolver: Any, record: str, value: str) -> None:
        propagation = self.challenge.propagation
        delay = propagation.delay_before_checks if propagation is not None else 0
        await asyncio.sleep(delay or self.challenge.delay_before_check)
        if self.challenge.disable_propagation_check or (propagation is not None and propagation.disable_checks):
            return
        authoritative = propagation is None or not propagation.disable_ans_checks
        everywhere = propagation is not None and propagation.require_all_rns
        end = asyncio.get_running_loop().time() + LIMIT_SECONDS
        while not await in_thread(_is_seen, resolver, record, value, authoritative, everywhere):
            if asyncio.get_running_loop().time() > end:
                raise AuthorityError(f"{record}: the record is not seen by name servers after {LIMIT_SECONDS:g} s")
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.8, 1.2))


def _resolver(addresses: Sequence[str]) -> Any:
    resolver = dns.resolver.Resolver(configure=not addresses)
    resolver.lifetime = QUERY_SECONDS * 2
    if addresses:
        pairs = [_address(address) for address in addresses]
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in pairs]
    return resolver


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or ("]" not in host and ":" in host):
        return text.strip("[]"), 53
    return host.strip("[]"), int(port)


def _followed(resolver: Any, record: str) -> str:
    """The name that the record's name stands for."""
    if os.environ.get("LEGO_DISABLE_CNAME_SUPPORT", "").lower() == "true":
        return record
    for _ in range(MAX_ALIASES):
        try:
            answer = resolver.resolve(record, "CNAME", search=False)
        except dns.exception.DNSException:
            break
        record = str(answer[0].target)
    return record


def _zone(resolver: Any, record: str) -> str:
    """The zone that a name is in, without a dot at the end."""
    try:
        return str(dns.resolver.zone_for_name(record, resolver=resolver)).rstrip(".")
    except dns.exception.DNSException as error:
        raise AuthorityError(f"{record}: the zone cannot be found: {type(error).__name__}") from None


def _is_seen(resolver: Any, record: str, value: str, authoritative: bool, everywhere: bool) -> bool:
    try:
        asked = list(_authorities(resolver, record)) if authoritative else []
        own = [(each.address, each.port) for each in map(_do53, resolver.nameservers)]
        if everywhere or not authoritative:
            asked += own if everywhere else own[:1]
        return bool(asked) and all(value in _texts(host, port, record) for host, port in asked)
    except (dns.exception.DNSException, OSError):
        return False


def _do53(server: Any) -> Any:
    return server if hasattr(server, "address") else dns.nameserver.Do53Nameserver(server, 53)


def _authorities(resolver: Any, record: str) -> Iterator[tuple[str, int]]:
    zone = dns.resolver.zone_for_name(record, resolver=resolver)
    for server in resolver.resolve(zone, "NS", search=False):
        for address in resolver.resolve(server.target, "A", search=False, raise_on_no_answer=False):
            yield str(address.address), 53


def _texts(host: str, port: int, record: str) -> set[str]:
    query = dns.message.make_query(record, dns.rdatatype.TXT)
    query.flags |= dns.flags.RD
    answer, _ = dns.query.udp_with_fallback(query, host, timeout=QUERY_SECONDS, port=port)
    found = (each for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for each in rrset)
    return {b"".join(each.strings).decode("ascii", "replace") for each in found}
