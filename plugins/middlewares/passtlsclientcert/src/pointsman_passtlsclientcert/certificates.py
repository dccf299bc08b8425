"""What a chain of certificates says, as headers write it (middlewares.md §3.16)."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote_plus

from attrs import fields, frozen
from cryptography import x509
from cryptography.x509.oid import NameOID

SINGLE = frozenset((NameOID.SERIAL_NUMBER, NameOID.COMMON_NAME))
"""Of these a name says one, whatever it holds: the last."""


@frozen
class IssuerConfig:
    """Which parts of an issuer's name are told. Their order is that in which they are written."""

    domain_component: bool = False
    country: bool = False
    province: bool = False
    locality: bool = False
    organization: bool = False
    serial_number: bool = False
    common_name: bool = False


@frozen
class SubjectConfig:
    """Which parts of a subject's name are told."""

    domain_component: bool = False
    country: bool = False
    province: bool = False
    locality: bool = False
    organization: bool = False
    organizational_unit: bool = False
    serial_number: bool = False
    common_name: bool = False


_PARTS = {
    "domain_component": ("DC", NameOID.DOMAIN_COMPONENT),
    "country": ("C", NameOID.COUNTRY_NAME),
    "province": ("ST", NameOID.STATE_OR_PROVINCE_NAME),
    "locality": ("L", NameOID.LOCALITY_NAME),
    "organization": ("O", NameOID.ORGANIZATION_NAME),
    "organizational_unit": ("OU", NameOID.ORGANIZATIONAL_UNIT_NAME),
    "serial_number": ("SN", NameOID.SERIAL_NUMBER),
    "common_name": ("CN", NameOID.COMMON_NAME),
}

Part = Callable[[x509.Certificate], str]
"""What one field says of a certificate, "" if nothing."""


def pem(chain: Sequence[bytes]) -> bytes:
    """DER certificates as `X-Forwarded-Tls-Client-Cert` has them: no armour, no line ends, commas between."""
    return b",".join(map(b64encode, chain))


def info(chain: Sequence[bytes], parts: Sequence[tuple[str, Part]]) -> bytes:
    """What the parts say of each certificate, as `X-Forwarded-Tls-Client-Cert-Info` has it. ValueError for a broken one."""
    certificates = map(x509.load_der_x509_certificate, chain)
    return quote_plus(",".join(";".join(_fields(each, parts)) for each in certificates), safe="").encode()


def _fields(certificate: x509.Certificate, parts: Sequence[tuple[str, Part]]) -> Iterator[str]:
    for name, part in parts:
        if text := part(certificate):
            yield f'{name}="{text}"'


def subject(config: SubjectConfig) -> Part:
    chosen = _chosen(config)
    return lambda certificate: _name(certificate.subject, chosen)


def issuer(config: IssuerConfig) -> Part:
    chosen = _chosen(config)
    return lambda certificate: _name(certificate.issuer, chosen)


def _chosen(config: SubjectConfig | IssuerConfig) -> list[tuple[str, x509.ObjectIdentifier]]:
    return [_PARTS[each.name] for each in fields(type(config)) if getattr(config, each.name)]


def _name(name: x509.Name, chosen: Sequence[tuple[str, x509.ObjectIdentifier]]) -> str:
    """Values are not escaped: the whole header is, and who decodes it must know that a value may hold quotes."""
    said: list[str] = []
    for label, oid in chosen:
        values = [_text(each.value) for each in name.get_attributes_for_oid(oid)]
        said += [f"{label}={value}" for value in (values[-1:] if oid in SINGLE else values) if value]
    return ",".join(said)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def serial_number(certificate: x509.Certificate) -> str:
    return str(certificate.serial_number)


def not_before(certificate: x509.Certificate) -> str:
    return str(int(certificate.not_valid_before_utc.timestamp()))


def not_after(certificate: x509.Certificate) -> str:
    return str(int(certificate.not_valid_after_utc.timestamp()))


def names(certificate: x509.Certificate) -> str:
    """DNS names, e-mail addresses, IP addresses and URIs, in this order."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    kinds = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)
    return ",".join(str(name.value) for kind in kinds for name in found if isinstance(name, kind))
