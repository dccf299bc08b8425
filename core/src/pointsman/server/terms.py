"""TLS options made ready (routing.md §8.2): settings in OpenSSL's words, and a context for each certificate."""

import ssl
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

from attrs import astuple, frozen

from pointsman.net import openssl
from pointsman.net.ciphers import restrict
from pointsman.net.pem import load_authorities
from pointsman.server.certificates import Pair

MAX_CONTEXTS: Final = 4096
"""Contexts kept per options; each takes about 20 KiB."""
TICKETS: Final = 1
"""Session tickets per handshake: a client that opens many connections at once gets more with each of them."""


@frozen
class TlsSettings:
    """What a handshake is to agree on. Equal settings make equal contexts."""

    minimum: str = ""
    maximum: str = ""
    """`VersionTLS13`; empty for TLS 1.2, and for no maximum."""
    suites: tuple[str, ...] = ()
    """As the configuration names them; empty for good ones."""
    groups: tuple[str, ...] = ()
    """OpenSSL's names; empty for its own list."""
    client_certificate: ssl.VerifyMode = ssl.CERT_NONE
    any_client_certificate: bool = False
    """Take what the client shows without asking who issued it."""
    authorities: tuple[str, ...] = ()
    """PEM of whoever may issue client certificates."""
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    tickets: bool = True

    def context(self) -> ssl.SSLContext:
        """One that has no certificate yet. ValueError if OpenSSL does not take these settings."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_RENEGOTIATION
        restrict(context, self.suites, self.minimum, self.maximum)
        try:
            if self.groups:
                openssl.set_groups(context, ":".join(self.groups))
            self._ask_clients(context)
        except openssl.Unsupported as error:
            raise ValueError(str(error)) from None
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        context.num_tickets = TICKETS if self.tickets else 0
        if not self.tickets:
            context.options |= ssl.OP_NO_TICKET
            with suppress(openssl.Unsupported):
                openssl.stop_session_cache(context)
        return context

    def _ask_clients(self, context: ssl.SSLContext) -> None:
        context.verify_mode = self.client_certificate
        for authorities in self.authorities:
            load_authorities(context, authorities)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # who is listed is trusted, also below a root
        if self.any_client_certificate:
            openssl.accept_any_certificate(context, required=self.client_certificate == ssl.CERT_REQUIRED)

    @property
    def scope(self) -> bytes:
        """The same in every process for equal settings, and no other settings'."""
        return repr(astuple(self)).encode()


class TlsTerms:
    """TLS options under their name."""

    __slots__ = ("_contexts", "_latest", "_ticket_secret", "alpn", "lapsed", "name", "settings", "sni_strict")

    def __init__(
        self,
        name: str,
        settings: TlsSettings,
        alpn: tuple[bytes, ...],
        *,
        sni_strict: bool = False,
        ticket_secret: bytes | None = None,
    ) -> None:
        self.name = name
        self.alpn = alpn
        self.sni_strict = sni_strict
        self.lapsed = False
        self.settings = settings
        self._ticket_secret = ticket_secret
        self._contexts: WeakKeyDictionary[Pair, ssl.SSLContext] = WeakKeyDictionary()
        self._latest: tuple[Pair | None, ssl.SSLContext | None] = None, None
        """What was asked for last: usually it is asked for again, and a weak reference costs more than the rest."""

    def context_for(self, pair: Pair) -> ssl.SSLContext:
        """The context for a handshake with this certificate; made on first use, then the same one.

        ValueError if OpenSSL does not take the certificate under these options.
        """
        latest, context = self._latest
        if latest is pair and context is not None:
            return context
        context = self._contexts.get(pair)
        if context is None:
            context = self.settings.context()
            pair.load_into(context)
            if self._ticket_secret is not None:
                with suppress(openssl.Unsupported):  # then sessions are resumed where they began
                    openssl.set_ticket_keys(context, self._ticket_secret, self.settings.scope)
            if len(self._contexts) >= MAX_CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[pair] = context
        self._latest = pair, context
        return context

    def agrees_with(self, other: "TlsTerms") -> bool:
        """Whether a handshake under `other` would agree on the same."""
        return self.settings == other.settings

    def __repr__(self) -> str:
        return f"<TlsTerms {self.name}, {len(self._contexts)} contexts>"
