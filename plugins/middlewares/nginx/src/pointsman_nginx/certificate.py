"""authTLSPassCertificateToUpstream: servers are told the client's certificate, in nginx's headers (middlewares.md §4)."""

from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.header_names import HeaderNames
from pointsman.errors import ConfigError, Problem
from pointsman_nginx.config import AuthTLSPassCertificateToUpstreamConfig

VERIFY: Final = "Ssl-Client-Verify"
SUBJECT: Final = "Ssl-Client-Subject-Dn"
ISSUER: Final = "Ssl-Client-Issuer-Dn"
CERTIFICATE: Final = "Ssl-Client-Cert"
UNCHECKED: Final = "RequestClientCert"
"""The handshake takes any certificate then, also none that anybody has issued."""
TYPES: Final = (
    "NoClientCert",
    UNCHECKED,
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)
MAX_CHAINS: Final = 256
MAX_CHAIN_BYTES: Final = 4 * 1024
"""Longer chains are read anew for each request: what a client sends must not be what memory is filled with."""

Lines = list[tuple[bytes, bytes]]


class AuthTLSPassCertificateToUpstream:
    name: ClassVar[str] = "authTLSPassCertificateToUpstream"
    span_name: ClassVar[str] = "AuthTLSPassCertificateToUpstream"
    Config: ClassVar[type] = AuthTLSPassCertificateToUpstreamConfig

    def __init__(self, config: AuthTLSPassCertificateToUpstreamConfig, context: BuildContext) -> None:
        if config.client_auth_type not in ("", *TYPES):
            raise ConfigError(Problem("clientAuthType", f"'{config.client_auth_type}' is none of {', '.join(TYPES)}"))
        self._checks = config.client_auth_type in (UNCHECKED, "RequireAnyClientCert")
        self._authorities = _authorities(config.ca_files)
        self._names = HeaderNames([VERIFY, SUBJECT, ISSUER, CERTIFICATE])
        self._known: OrderedDict[tuple[bytes, ...], Lines] = OrderedDict()

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        self._names.claim(request)
        secured = request.link.tls
        chain = tuple(secured.certificates()) if secured is not None else ()
        if not chain:
            request.headers.add(VERIFY.lower().encode(), b"NONE")
        for name, value in self._lines(chain) if chain else ():
            request.headers.add(name, value)
        return call_next(request)

    def _lines(self, chain: tuple[bytes, ...]) -> Lines:
        if self._checks:
            return self._read(chain)  # whether it is valid by now is asked each time
        known = self._known.get(chain)
        if known is None:
            known = self._read(chain)
            if sum(map(len, chain)) <= MAX_CHAIN_BYTES:
                self._known[chain] = known
                if len(self._known) > MAX_CHAINS:
                    self._known.popitem(last=False)
        return known

    def _read(self, chain: Sequence[bytes]) -> Lines:
        try:
            leaf, *others = map(x509.load_der_x509_certificate, chain)
            told = {
                VERIFY: self._verified(leaf, others),
                SUBJECT: leaf.subject.rfc4514_string(),
                ISSUER: leaf.issuer.rfc4514_string(),
                CERTIFICATE: quote(leaf.public_bytes(Encoding.PEM), safe=""),
            }
        except Exception:  # a parser of hostile formats may raise anything
            told = {VERIFY: "FAILED:the certificate cannot be read"}
        return [(name.lower().encode(), _printable(value)) for name, value in told.items()]

    def _verified(self, leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> str:
        if not self._checks:
            return "SUCCESS"
        if self._authorities is None:
            return "FAILED:no authority to check it against"
        any_extension = ExtensionPolicy.permit_all()
        policy = PolicyBuilder().store(self._authorities).time(datetime.now(UTC))
        policy = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=any_extension)
        try:
            policy.build_client_verifier().verify(leaf, list(others))
        except VerificationError as error:
            return f"FAILED:{str(error)[:200]}"
        return "SUCCESS"


def _authorities(files: Sequence[str]) -> Store | None:
    found: list[x509.Certificate] = []
    for number, text in enumerate(files):
        try:
            found += x509.load_pem_x509_certificates(text.encode())
        except ValueError:
            raise ConfigError(Problem(f"caFiles[{number}]", "holds no certificate in PEM")) from None
    return Store(found) if found else None


def _printable(value: str) -> bytes:
    return "".join(each if each.isprintable() else "?" for each in value).encode()
