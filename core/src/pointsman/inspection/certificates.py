"""The certificates that are served, as the API shows them (operations.md §6.4). Their keys are not looked at."""

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.compile.parts import Tree
from pointsman.config.dynamic import CERTIFICATES, structure_element
from pointsman.inspection.elements import Slices
from pointsman.net.pem import read_pem

STORES: Final = "tls.stores"
SOON: Final = datetime.timedelta(days=30)
_SUBJECT: Final = (("commonName", "CN"), ("organization", "O"), ("country", "C"))
_ISSUER: Final = (("issuerCN", "CN"), ("issuerOrg", "O"), ("issuerCountry", "C"))

Shown = dict[str, Any]


class Certificates:
    """Reads each certificate once, for as long as it is in the tree."""

    def __init__(self) -> None:
        self._known: dict[str, Shown | None] = {}

    def reading(self, tree: Tree) -> Slices[list[Shown]]:
        """All that can be read, in order of name, with the status that they have today."""
        known: dict[str, Shown | None] = {}
        for text in _texts(tree):
            if text not in known:
                known[text] = self._known[text] if text in self._known else _described(text)
                yield
        self._known = known
        found = {shown["name"]: {**shown, "status": _status(shown)} for shown in known.values() if shown is not None}
        return [found[name] for name in sorted(found)]


def _texts(tree: Tree) -> Iterator[str]:
    for section, raw in [
        *((CERTIFICATES, raw) for raw in tree.get(CERTIFICATES, {}).values()),
        *((STORES, raw) for raw in tree.get(STORES, {}).values()),
    ]:
        element, _ = structure_element(section, raw, "") if not isinstance(raw, str) else (None, [])
        pair = element.default_certificate if section == STORES and element is not None else element
        if pair is not None and pair.cert_file:
            try:
                yield read_pem(pair.cert_file)
            except ValueError:
                continue  # a problem of its own


def _described(text: str) -> Shown | None:
    """The first certificate of a chain; None if it is none."""
    from cryptography import x509  # 13 MiB of memory, which whoever has no certificates is spared
    from cryptography.hazmat.primitives import serialization

    try:
        leaf = x509.load_pem_x509_certificates(text.encode())[0]
        der = leaf.public_bytes(serialization.Encoding.DER)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        public = leaf.public_key().public_bytes(serialization.Encoding.DER, spki)
        fingerprint = hashlib.sha256(der).hexdigest()
        shown: Shown = {
            "name": fingerprint,
            "commonName": "",
            "sans": _alternatives(leaf),
            "notAfter": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "notBefore": f"{leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "serialNumber": str(leaf.serial_number),
            "version": f"v{leaf.version.value + 1}",
            **_key(leaf.public_key()),
            "signatureAlgorithm": _signature(leaf),
            "certFingerprint": fingerprint,
            "publicKeyFingerprint": hashlib.sha256(public).hexdigest(),
        }
        for parts, name in ((_SUBJECT, leaf.subject), (_ISSUER, leaf.issuer)):
            found = {each.rfc4514_attribute_name: str(each.value) for each in reversed(list(name))}
            shown |= {key: found[part] for key, part in parts if found.get(part)}
    except Exception:  # a parser of hostile formats may raise anything; the compiler tells what is wrong
        return None
    return shown


def _alternatives(leaf: Any) -> list[str]:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))


def _key(key: Any) -> dict[str, Any]:
    kind = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    named = {"EllipticCurve": "ECDSA", "ECPublicKey": "ECDSA", "EC": "ECDSA"}.get(kind, kind)
    return {"keyType": named, "keySize": key.key_size} if named in ("RSA", "ECDSA") else {"keyType": named}


def _signature(leaf: Any) -> str:
    """As the reference calls it: SHA256-RSA, ECDSA-SHA256, Ed25519."""
    name: str = leaf.signature_algorithm_oid._name
    digest = leaf.signature_hash_algorithm
    if digest is None:
        return {"ed25519": "Ed25519", "ed448": "Ed448"}.get(name, name)
    hashed = digest.name.upper()
    if name.startswith("ecdsa"):
        return f"ECDSA-{hashed}"
    return f"{hashed}-RSAPSS" if "pss" in name.lower() else f"{hashed}-RSA"


def _status(shown: Mapping[str, Any]) -> str:
    ends = datetime.datetime.fromisoformat(shown["notAfter"])
    left = ends - datetime.datetime.now(datetime.UTC)
    return "expired" if left < datetime.timedelta() else "warning" if left < SOON else "enabled"
