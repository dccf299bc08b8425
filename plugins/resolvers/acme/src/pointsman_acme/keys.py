"""Keys, and what is asked for with them."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

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
