"""How a resolver proves names: which of the ways an authority offers, and what is shown meanwhile (operations.md §7.6)."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from pointsman import ResolverContext
from pointsman.dialect.resolvers import ACME
from pointsman.errors import ConfigError, Problem
from pointsman_acme.asking import AuthorityError, in_thread
from pointsman_acme.challenges import DNS_01, HTTP_01, TLS_ALPN_01, Proof
from pointsman_acme.dns import Dns
from pointsman_acme.keys import proof_for


class Proving:
    """By the ways that are configured. ConfigError for a DNS provider that cannot be used."""

    def __init__(self, config: ACME, context: ResolverContext) -> None:
        self._config = config
        self._context = context
        where = f"certificatesResolvers.{context.name}.acme.dnsChallenge"
        self._dns = Dns.of(config.dns_challenge, where) if config.dns_challenge else None

    def check(self, names: Sequence[str]) -> None:
        """ConfigError for names that cannot be proven with what is configured."""
        config, where = self._config, f"certificatesResolvers.{self._context.name}.acme"
        if not (config.http_challenge or config.tls_challenge or config.dns_challenge):
            raise ConfigError(Problem(where, "needs a challenge: httpChallenge, tlsChallenge or dnsChallenge"))
        if any(name.startswith("*.") for name in names) and self._dns is None:
            raise ConfigError(Problem(where, "a wildcard needs dnsChallenge"))

    def chosen(self, ways: Sequence[Proof]) -> Proof:
        """A way to prove a name that the authority offers and the configuration has."""
        config = self._config
        enabled = {HTTP_01: config.http_challenge, TLS_ALPN_01: config.tls_challenge, DNS_01: config.dns_challenge}
        for kind, block in enabled.items():
            for proof in ways:
                if block is not None and proof.kind == kind:
                    return proof
        offered = ", ".join(proof.kind for proof in ways if proof.kind) or "none"
        name = ways[0].name if ways else "a name"
        raise AuthorityError(f"{name}: of the challenges that are offered ({offered}) none is configured", refused=True)

    async def set_up(self, proof: Proof, proving: AsyncExitStack) -> None:
        """Have the proof ready, until `proving` ends."""
        config = self._config
        delay = 0.0
        if proof.kind == DNS_01 and self._dns is not None:
            proving.push_async_callback(await self._dns.present(proof.name, proof.authorization))
        elif proof.kind == HTTP_01 and config.http_challenge is not None:
            proving.callback(self._context.answer_http(proof.name, proof.token, proof.authorization))
            delay = config.http_challenge.delay
        else:
            pair = await in_thread(proof_for, proof.name, proof.authorization)
            proving.callback(await self._context.answer_tls(proof.name, pair))
            delay = config.tls_challenge.delay if config.tls_challenge is not None else 0
        await asyncio.sleep(delay)
