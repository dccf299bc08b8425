"""When the certificates run out that are served: what a gauge tells of each (operations.md §4.1)."""

from collections.abc import Iterator
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from pointsman.config.dynamic import CERTIFICATES, structure_element
from pointsman.control.merge import Slices, Tree
from pointsman.measures import Metric, Sample
from pointsman.net.pem import read_pem

STORES: Final = "tls.stores"
SLICE: Final = 16
Facts = tuple[tuple[str, str, str], float]
"""Common name, names and serial number; the end, in seconds since 1970."""


class Expiries:
    """Of all certificates of a tree. What has not changed is not read again; what has been replaced is not told any more.

    The certificate that the gateway makes for itself is not among them: it is good for nothing but to be replaced.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Any, Facts | None]] = {}

    def following(self, tree: Tree) -> Slices[None]:
        """Look at this tree; a generator that yields between its pieces."""
        known: dict[tuple[str, str], tuple[Any, Facts | None]] = {}
        elements = [
            (section, name, raw) for section in (CERTIFICATES, STORES) for name, raw in tree.get(section, {}).items()
        ]
        for number, (section, name, raw) in enumerate(elements):
            before = self._known.get((section, name))
            known[section, name] = before if before is not None and before[0] is raw else (raw, _read(section, raw, name))
            if number % SLICE == SLICE - 1:
                yield
        self._known = known

    def names(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The provider of each of `tls.certificates`, and what it is for: its DNS names, or the common name without any."""
        for (section, name), (_, facts) in self._known.items():
            if section == CERTIFICATES and facts is not None:
                (cn, sans, _), _ = facts
                yield name.partition("@")[2], frozenset(each.lower() for each in (sans.split(",") if sans else [cn]))

    def metrics(self) -> Iterator[Metric]:
        found = dict(facts for _, facts in self._known.values() if facts is not None)
        samples = [Sample(labels, end) for labels, end in found.items()]
        labels = ("cn", "sans", "serial")
        if samples:
            yield Metric("traefik_tls_certs_not_after", "Certificate expiration timestamp", "gauge", labels, samples)


def _read(section: str, raw: Any, name: str) -> Facts | None:
    """None if there is no certificate that can be read; the configuration's problems say why."""
    element: Any
    element, _ = structure_element(section, raw, name)
    if section == STORES and element is not None:
        element = element.default_certificate
    if element is None or not element.cert_file:
        return None
    try:
        return _facts(read_pem(element.cert_file))
    except (OSError, ValueError):
        return None


def _facts(text: str) -> Facts | None:
    try:
        leaf = x509.load_pem_x509_certificate(text.encode())
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        cn = str(names[0].value) if names else ""
        try:
            found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            sans = sorted(found.get_values_for_type(x509.DNSName))
        except x509.ExtensionNotFound:
            sans = []
        return (cn, ",".join(sans), str(leaf.serial_number)), float(int(leaf.not_valid_after_utc.timestamp()))
    except Exception:  # a parser of hostile formats may raise anything
        return None
