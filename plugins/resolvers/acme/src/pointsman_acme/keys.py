"""Keys, and what is asked for with them."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from pointsman import KeyPair

DEFAULT_TYPE: Final = "RSA4096"
TYPES: Final = ("EC256", "EC384", "RSA2048", "RSA4096", "RSA8192")
MAX_COMMON_NAME: Final = 64
_ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


def new_key(kind: str) -> str:
    """PEM text of a new key of one of `TYPES`."""
    if kind == "EC256":
        return _pem(ec.generate_private_key(ec.SECP256R1()))
    if kind == "EC384":
        return _pem(ec.generate_private_key(ec.SECP384R1()))
    return _pem(rsa.generate_private_key(65537, int(kind.removeprefix("RSA"))))


def is_sound(key: str) -> bool:
    """Whether a stored key can be used."""
    try:
        return isinstance(
            serialization.load_pem_private_key(key.encode(), None), rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def flaw(names: Sequence[str], pair: KeyPair) -> str:
    """Why this is no certificate for all of these names and this key, as the end of a sentence; "" if it is one."""
    try:
        leaf = x509.load_pem_x509_certificates(pair.certificate.encode())[0]
        private = serialization.load_pem_private_key(pair.key.encode(), None, unsafe_skip_rsa_key_validation=True)
        fits = _public(leaf.public_key()) == _public(private.public_key())
        theirs = names_in(leaf)
    except Exception:  # a parser of hostile formats may raise anything
        return "cannot be read"
    if not fits:
        return "is for another key"
    if not set(names) <= theirs:
        return "is not for all names"
    return ""


def excess(names: Sequence[str], certificate: str) -> str:
    """The same of what was just issued: it has to be valid now, and for nothing that was not asked for."""
    leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc < now:
        return "has run out already"
    if not names_in(leaf) <= set(names):
        return "is for names that were not asked for"
    return ""


def names_in(leaf: x509.Certificate) -> set[str]:
    """Those that it is served for."""
    found = {str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        for name in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value:
            if isinstance(name, x509.DNSName | x509.IPAddress):
                found.add(str(name.value))
    except x509.ExtensionNotFound:
        pass
    return {name.lower() for name in found if name}


def _public(key: Any) -> bytes:
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def account_key() -> bytes:
    """A new one: RSA with 4096 bits, PKCS #1, DER."""
    return account_der(rsa.generate_private_key(65537, 4096))


def account_der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _pem(key: CertificateIssuerPrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def request_for(names: Sequence[str], key: str, *, common_name: bool, emails: Sequence[str]) -> bytes:
    """A signing request as PEM. ValueError for a key that cannot sign."""
    private = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("the stored key is neither RSA nor EC")
    named = common_name and len(names[0]) <= MAX_COMMON_NAME
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if named else []
    others: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    others += [x509.RFC822Name(email) for email in emails]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    signed = builder.add_extension(x509.SubjectAlternativeName(others), critical=False).sign(private, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def proof_for(name: str, authorization: str) -> KeyPair:
    """The certificate that proves a name by its handshake (RFC 8737 §3)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_COMMON_NAME])])
    now = datetime.now(UTC)
    digest = b"\x04\x20" + hashlib.sha256(authorization.encode()).digest()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key))
