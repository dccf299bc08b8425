"""TLS towards servers, as a `serversTransport` asks for it (routing.md §7.1, §7.2): whom to trust, what to show and check.

Everything that is checked is checked by the context itself, within the handshake, whoever drives it.
"""

import ssl
from collections.abc import Collection, Sequence
from typing import Any, Final

from pointsman.net import ciphers, pem

HANDSHAKE_SECONDS: Final = 10.0
"""How long a handshake may take; fixed in the dialect."""

Names = Collection[tuple[str, str]]
"""(kind, value) of subject alternative names: ("DNS", "a.test"), ("URI", "spiffe://a.test/b")."""


class ClientTls:
    """The settings of one transport. Contexts are made when they are first needed, one for each list of protocols.

    `problems` are (place, message) of certificates that were left out: ("rootCAs[1]", "cannot be read"). ValueError for
    versions and suites that cannot be.
    """

    __slots__ = (
        "__weakref__",
        "_authorities",
        "_contexts",
        "_names",
        "_pairs",
        "_restrictions",
        "_uri",
        "problems",
        "server_name",
        "verifies",
    )

    def __init__(
        self,
        server_name: str = "",
        *,
        skip_verify: bool = False,
        authorities: Sequence[str] = (),
        pairs: Sequence[tuple[str, str]] = (),
        suites: Sequence[str] = (),
        minimum: str = "",
        maximum: str = "",
        peer_uri: str = "",
        peer_names: Names = (),
    ) -> None:
        """`authorities` are PEM texts or paths, none for the system's; `pairs` of certificate and key likewise.

        `peer_uri` must be a URI name of the server's certificate, and one of `peer_names` must be among its names: then its
        chain is verified in any case.
        """
        self.server_name = server_name
        self.verifies = not skip_verify
        """Whether the server's certificate must be good for the name it is called by."""
        self.problems: list[tuple[str, str]] = []
        self._authorities = authorities
        self._pairs = pairs
        self._restrictions = (suites, minimum, maximum)
        self._uri = peer_uri.lower()
        self._names = frozenset((kind, value.lower()) for kind, value in peer_names)
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        if authorities or pairs or suites or minimum or maximum:
            self._contexts[()] = self._make(self.problems)

    @property
    def identity(self) -> tuple[object, ...]:
        """What two settings have in common that are the same."""
        given = tuple(self._authorities), tuple(map(tuple, self._pairs)), tuple(map(str, self._restrictions))
        return (self.server_name, self.verifies, self._uri, self._names, *given)

    def context(self, *protocols: str) -> ssl.SSLContext:
        """For connections that offer these protocols (ALPN), best first."""
        context = self._contexts.get(protocols)
        if context is None:
            context = self._make([])
            if protocols:
                context.set_alpn_protocols(list(protocols))
            self._contexts[protocols] = context
        return context

    def name_for(self, host: str) -> str:
        """The name or address that a server on `host` must prove; a name is also what it is asked for (SNI)."""
        return (self.server_name or host).rstrip(".")

    def _make(self, problems: list[tuple[str, str]]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.hostname_checks_common_name = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # who trusts an intermediate means it
        ciphers.restrict(context, *self._restrictions)
        named = bool(self._uri or self._names)
        if not self.verifies:
            context.check_hostname = False
            if not named:
                context.verify_mode = ssl.CERT_NONE
        if named:
            context.sslobject_class = self._checking()
        for place, authority in enumerate(self._authorities):
            try:
                pem.load_authorities(context, authority)
            except ValueError as error:
                problems.append((f"rootCAs[{place}]", str(error)))
        if not self._authorities and context.verify_mode != ssl.CERT_NONE:
            context.set_default_verify_paths()
        for place, pair in reversed(list(enumerate(self._pairs))):  # of two of one kind OpenSSL shows the last
            try:
                pem.load_pair(context, *pair)
            except ValueError as error:
                problems.append((f"certificates[{place}]", str(error)))
        return context

    def _checking(self) -> type[ssl.SSLObject]:
        check = self.check

        class Checking(ssl.SSLObject):
            """A connection whose handshake is only over when the peer has the name that it should."""

            def do_handshake(self) -> None:
                super().do_handshake()
                check(self.getpeercert())

        return Checking

    def check(self, certificate: Any) -> None:
        """SSLCertVerificationError unless the certificate (as `getpeercert` gives it) has the names it must have."""
        names = {(kind, value.lower()) for kind, value in (certificate or {}).get("subjectAltName", ())}
        if self._uri and ("URI", self._uri) not in names:
            raise ssl.SSLCertVerificationError(f"the server's certificate does not bear the URI {self._uri}")
        if self._names and not self._names & names:
            raise ssl.SSLCertVerificationError("the server's certificate bears none of the names it should")

    def __repr__(self) -> str:
        return f"<ClientTls {self.server_name or 'by host'}{'' if self.verifies else ', not verifying'}>"


SYSTEM: Final = ClientTls()
"""Trusting whom the system trusts."""
