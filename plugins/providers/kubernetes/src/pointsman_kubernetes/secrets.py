"""What Secrets hold: text, and certificates with their keys. Nothing of it is ever in a message."""

from base64 import b64decode
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from pointsman.dialect.lookups import text
from pointsman_kubernetes.kinds import SECRET
from pointsman_kubernetes.objects import NOT_WATCHED, Object, Objects

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"


class Unusable(ValueError):
    """A Secret is not there, or not what it should be: the message says it in a sentence that begins with the Secret."""


def secret(objects: Objects, namespace: str, name: str) -> Object:
    """Unusable if there is none."""
    if not objects.watches(namespace):
        raise Unusable(f"secret {namespace}/{name}: {NOT_WATCHED}")
    found = objects.get(SECRET, name, namespace)
    if found is None:
        reason = objects.missing.get(SECRET)
        raise Unusable(f"secret {namespace}/{name}: {f'cannot be read: {reason}' if reason else 'not found'}")
    return found


def held(thing: Object, key: str) -> str | None:
    """The text at `key` in the `data` of a Secret; None if there is none, or it is no UTF-8."""
    try:
        return b64decode(text(thing, "data", key), validate=True).decode() or None
    except ValueError:
        return None


def pair(objects: Objects, namespace: str, name: str) -> tuple[str, str]:
    """The certificate, with its chain, and the key of a Secret of type `kubernetes.io/tls`, as PEM text. Unusable if none.

    Both are read, so that neither can be taken for the path of a file.
    """
    thing = secret(objects, namespace, name)
    certificate, key = held(thing, CERTIFICATE), held(thing, KEY)
    lacking = [entry for entry, value in ((CERTIFICATE, certificate), (KEY, key)) if value is None]
    if certificate is None or key is None:
        raise Unusable(f"secret {namespace}/{name}: has no {' and no '.join(lacking)}")
    try:
        shown = load_pem_x509_certificate(certificate.encode()).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable(f"secret {namespace}/{name}: {CERTIFICATE} holds no certificate in PEM") from None
    try:
        own = load_pem_private_key(key.encode(), None, unsafe_skip_rsa_key_validation=True).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable(f"secret {namespace}/{name}: {KEY} holds no private key in PEM without a password") from None
    if shown != own:
        raise Unusable(f"secret {namespace}/{name}: {KEY} is not the key of the certificate in {CERTIFICATE}")
    return certificate, key
