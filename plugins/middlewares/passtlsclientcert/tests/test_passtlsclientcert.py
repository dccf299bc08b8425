"""What servers learn of a client's certificates."""

import base64
import datetime
import ipaddress
from functools import cache
from urllib.parse import unquote_plus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_passtlsclientcert import MAX_CHAIN_BYTES, MAX_CHAINS, PassTLSClientCert

PEM, INFO = b"x-forwarded-tls-client-cert", b"x-forwarded-tls-client-cert-info"
NAME = [
    (NameOID.COMMON_NAME, "client.t"),
    (NameOID.COUNTRY_NAME, "FR"),
    (NameOID.DOMAIN_COMPONENT, "org"),
    (NameOID.ORGANIZATION_NAME, 'Cheese, "Inc"; +x'),
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.DOMAIN_COMPONENT, "cheese"),
    (NameOID.LOCALITY_NAME, "L1"),
    (NameOID.STATE_OR_PROVINCE_NAME, "ST1"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU1"),
    (NameOID.SERIAL_NUMBER, "9"),
]
ALTERNATIVES = [
    x509.UniformResourceIdentifier("https://u.t/x"),
    x509.IPAddress(ipaddress.ip_address("10.1.2.3")),
    x509.DNSName("a.t"),
    x509.RFC822Name("me@x.t"),
    x509.DNSName("*.b.t"),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
]
ALL = dict.fromkeys(
    ("domainComponent", "country", "province", "locality", "organization", "serialNumber", "commonName"), True
)
FULL = {"serialNumber": True, "notBefore": True, "notAfter": True, "sans": True}
FULL |= {"subject": ALL | {"organizationalUnit": True}, "issuer": ALL}


def name(parts):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


@cache
def certificate(bare=False):
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = [(NameOID.COMMON_NAME, "CA"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "never told")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name([] if bare else NAME))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(78187493520)
        .not_valid_before(datetime.datetime.fromtimestamp(1767323045, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(1893456000, datetime.UTC))
    )
    if not bare:
        builder = builder.add_extension(x509.SubjectAlternativeName(ALTERNATIVES), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Secured:
    def __init__(self, *chain):
        self.chain = chain

    def certificates(self):
        return self.chain


def coming_with(*chain, headers=(), tls=True):
    request = a_request(headers=headers)
    request.link = Link(Address("127.0.0.1", 1), Address("127.0.0.1", 2), b"https", "web", Secured(*chain) if tls else None)
    return request


async def told(config, *chain, **more):
    upstream = answering()
    await build(PassTLSClientCert, config)(coming_with(*chain, **more), upstream)
    return upstream.last.headers


async def test_what_is_told_of_a_certificate_stands_in_a_fixed_order_and_is_escaped_as_a_whole():
    headers = await told({"info": FULL}, certificate())
    escaped = headers.get(INFO).decode()

    assert unquote_plus(escaped) == (
        'Subject="DC=org,DC=cheese,C=FR,C=US,ST=ST1,L=L1,O=Cheese, "Inc"; +x,OU=OU1,SN=9,CN=client.t";Issuer="CN=CA";'
        'SerialNumber="78187493520";NB="1767323045";NA="1893456000";'
        'SAN="a.t,*.b.t,me@x.t,10.1.2.3,2001:db8::1,https://u.t/x"'
    )
    assert escaped.startswith("Subject%3D%22DC%3Dorg%2C")
    assert "Cheese%2C+%22Inc%22%3B+%2Bx" in escaped
    assert "%2A.b.t" in escaped
    assert PEM not in headers


async def test_empty_fields_are_left_out_and_certificates_are_joined():
    headers = await told({"info": FULL}, certificate(bare=True), certificate(bare=True))
    one = 'Issuer="CN=CA";SerialNumber="78187493520";NB="1767323045";NA="1893456000"'

    assert unquote_plus(headers.get(INFO).decode()) == f"{one},{one}"


async def test_only_what_is_asked_for_is_told():
    headers = await told({"info": {"notAfter": True, "subject": {"country": True}}}, certificate())

    assert unquote_plus(headers.get(INFO).decode()) == 'Subject="C=FR,C=US";NA="1893456000"'


async def test_the_chain_is_passed_on_in_base64():
    headers = await told({"pem": True}, certificate(), certificate(bare=True))

    assert [base64.b64decode(part) for part in headers.get(PEM).split(b",")] == [certificate(), certificate(bare=True)]
    assert INFO not in headers


@pytest.mark.parametrize("tls", [True, False])
async def test_what_a_client_claims_is_always_removed(tls):
    claims = {
        PEM.decode(): "x",
        INFO.decode(): "y",
        "X_Forwarded_Tls_Client_Cert": "z",
        "x-forwarded.tls-client-cert-info": "z",
    }
    headers = await told({"pem": True, "info": FULL}, tls=tls, headers={**claims, "X-Other": "1"})

    assert headers.raw == [(b"x-other", b"1")]


async def test_a_chain_is_read_once():
    middleware, chain = build(PassTLSClientCert, {"pem": True, "info": FULL}), (certificate(),)
    upstream = answering()
    for _ in range(3):
        await middleware(coming_with(*chain), upstream)

    first, *others = [request.headers.get(INFO) for request in upstream.requests]
    assert all(other is first for other in others)


async def test_what_is_kept_is_limited():
    middleware = build(PassTLSClientCert, {"pem": True})
    for number in range(MAX_CHAINS + 10):
        await middleware(coming_with(b"%d" % number), answering())
    await middleware(coming_with(b"x" * MAX_CHAIN_BYTES, b"y"), answering())

    assert len(middleware._known) == MAX_CHAINS
    assert all(sum(map(len, chain)) <= MAX_CHAIN_BYTES for chain in middleware._known)


async def test_of_a_certificate_that_cannot_be_read_nothing_is_told_and_the_log_says_so_once(caplog):
    middleware, upstream = build(PassTLSClientCert, {"info": FULL}), answering()
    for chain in ((b"garbage",), (certificate(), b"garbage"), (certificate()[:-5],)):
        await middleware(coming_with(*chain), upstream)

    assert all(INFO not in request.headers for request in upstream.requests)
    assert caplog.text.count("cannot be read") == 1


@given(st.binary(max_size=50), st.integers(0, 400), st.integers(1, 50))
def test_a_broken_certificate_breaks_no_request(junk, at, length):
    der = certificate()
    middleware, upstream = build(PassTLSClientCert, {"pem": True, "info": FULL}), answering()
    middleware(coming_with(der[:at] + junk + der[at + length :]), upstream)

    for _, value in upstream.last.headers:
        assert value.isascii()
        assert not set(value) & set(b"\r\n\0 ")


def test_an_issuer_has_no_organizational_unit():
    with pytest.raises(ConfigError, match="organizationalUnit"):
        build(PassTLSClientCert, {"info": {"issuer": {"organizationalUnit": True}}})
