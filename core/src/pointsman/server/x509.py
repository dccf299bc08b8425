"""Certificates and keys read: what they are called, whether they fit together; and one of our own making (routing.md §8.1).

Apart from `certificates`, for what does the reading takes 13 MiB of memory, which a worker without certificates is spared.
"""

import datetime
import secrets
from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pointsman.server.certificates import Pair

WEAKEST_RSA_BITS: Final = 1024
"""OpenSSL refuses shorter keys."""
DEFAULT_NAME: Final = "Pointsman default certificate"
MENTIONED_NAMES: Final = 3
_DAY: Final = datetime.timedelta(days=1)
_SPKI: Final = serialization.PublicFormat.SubjectPublicKeyInfo
_DER: Final = serialization.Encoding.DER


def read_pair(certificate: str, key: str) -> tuple[Pair, list[str]]:
    """A pair of PEM texts, and what to warn of. ValueError, without a word of the key, if it cannot be served."""
    leaf, warnings = _read_chain(certificate)
    public = _read_key(key)
    try:
        fits = leaf.public_key().public_bytes(_DER, _SPKI) == public
    except (ValueError, TypeError) as error:  # an algorithm or a curve unknown here
        raise ValueError(f"the certificate's key cannot be used: {error}") from None
    if not fits:
        names = b", ".join(_names(leaf)[:MENTIONED_NAMES]).decode(errors="replace") or "no name"
        raise ValueError(f"the key is not that of the certificate (for {names}); a pair belongs together")
    return Pair(certificate, key, _names(leaf)), warnings


def _read_chain(text: str) -> tuple[x509.Certificate, list[str]]:
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        leaf = chain[0]
        begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    except Exception as error:  # a parser of hostile formats may raise anything
        if "CERTIFICATE-----" not in text and "PRIVATE KEY-----" in text:
            raise ValueError("where the certificate should be there is a key; are certFile and keyFile exchanged?") from None
        raise ValueError(f"the certificate cannot be read as PEM ({type(error).__name__})") from None
    for each in chain:
        weak = _weak_signature(each)
        if weak:
            raise ValueError(f"a certificate of the chain is signed with {weak}, which OpenSSL refuses; have it issued anew")
    now = datetime.datetime.now(datetime.UTC)
    if ends < now:
        return leaf, [f"the certificate expired on {ends:%Y-%m-%d %H:%M} UTC and is served nevertheless; renew it"]
    if begins > now:
        return leaf, [f"the certificate is valid only from {begins:%Y-%m-%d %H:%M} UTC and is served nevertheless"]
    return leaf, []


def _weak_signature(certificate: x509.Certificate) -> str:
    """The hash of a signature that nobody believes any more. That of a root, which is trusted for itself, does not count."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1) and certificate.issuer != certificate.subject
    return algorithm.name.upper() if weak and algorithm is not None else ""


def _read_key(text: str) -> bytes:
    """The public half of a key."""
    try:
        key = serialization.load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise ValueError("the key is encrypted; decrypt it first, for there is nobody to ask for a password") from None
    except Exception as error:
        if "CERTIFICATE-----" in text and "PRIVATE KEY-----" not in text:
            raise ValueError("where the key should be there is a certificate; name the file that holds its key") from None
        raise ValueError(f"the key cannot be read as PEM ({type(error).__name__})") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < WEAKEST_RSA_BITS:
        raise ValueError(f"the key has {key.key_size} bits; RSA needs {WEAKEST_RSA_BITS} or more")
    return key.public_key().public_bytes(_DER, _SPKI)


def _names(leaf: x509.Certificate) -> tuple[bytes, ...]:
    try:
        found = [str(attribute.value) for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[:1]]
        for name in _alternatives(leaf):
            if isinstance(name, x509.DNSName):
                found.append(name.value)
            elif isinstance(name, x509.IPAddress):
                found.append(str(name.value))
    except ValueError as error:
        raise ValueError(f"the certificate's names cannot be read: {error}") from None
    return tuple(sorted({name.lower().encode() for name in found if name}))


def _alternatives(leaf: x509.Certificate) -> Iterable[x509.GeneralName]:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()


def generate_default() -> Pair:
    """A self-signed certificate for names that no other has; of no worth but that the handshake goes on."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DEFAULT_NAME)])
    name = f"{secrets.token_hex(16)}.{secrets.token_hex(16)}.pointsman.default"
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY / 24)
        .not_valid_after(now + 365 * _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair, _ = read_pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())
    return pair
