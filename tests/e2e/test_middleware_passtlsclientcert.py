"""Servers learn which certificate a client showed, over every protocol (middlewares.md §3.16)."""

import asyncio
import base64
import datetime
import ipaddress
import re
import socket
import ssl
import tempfile
from urllib.parse import unquote_plus

import h2.config
import h2.connection
import h2.events
import pytest
import pytest_asyncio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .stage import balancer, head, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("a.test")
PEM, INFO = "x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info"
NAME = [
    (NameOID.DOMAIN_COMPONENT, "org"),
    (NameOID.DOMAIN_COMPONENT, "cheese"),
    (NameOID.COUNTRY_NAME, "FR"),
    (NameOID.STATE_OR_PROVINCE_NAME, "ST1"),
    (NameOID.LOCALITY_NAME, "L1"),
    (NameOID.ORGANIZATION_NAME, "Cheese"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU1"),
    (NameOID.SERIAL_NUMBER, "9"),
    (NameOID.COMMON_NAME, "client.t"),
]
SANS = [
    x509.DNSName("a.t"),
    x509.RFC822Name("me@x.t"),
    x509.IPAddress(ipaddress.ip_address("10.1.2.3")),
    x509.UniformResourceIdentifier("https://u.t/x"),
]
ISSUER = ["domainComponent", "country", "province", "locality", "organization", "serialNumber", "commonName"]
ALL = {
    "serialNumber": True,
    "notBefore": True,
    "notAfter": True,
    "sans": True,
    "subject": dict.fromkeys([*ISSUER, "organizationalUnit"], True),
    "issuer": dict.fromkeys(ISSUER, True),
}
TOLD = (
    'Subject="DC=org,DC=cheese,C=FR,ST=ST1,L=L1,O=Cheese,OU=OU1,SN=9,CN=client.t";'
    'Issuer="DC=org,DC=cheese,C=FR,ST=ST1,L=L1,O=Cheese,SN=9,CN=client.t";'
    'SerialNumber="78187493520";NB="1767323045";NA="1893456000";SAN="a.t,me@x.t,10.1.2.3,https://u.t/x"'
)


def client_certificate():
    """A self-signed one with every field, as (DER, PEM of it and its key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in NAME])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 78187493520)
        .not_valid_before(datetime.datetime.fromtimestamp(1767323045, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(1893456000, datetime.UTC))
        .add_extension(x509.SubjectAlternativeName(SANS), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.DER), certificate.public_bytes(
        serialization.Encoding.PEM
    ) + private


DER, CLIENT = client_certificate()
CA_DER = ssl.PEM_cert_to_DER_cert(AUTHORITY.cert_pem.bytes().decode())


def context(*, certificate=CLIENT, chain=b"", alpn=(), version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if certificate:
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + chain)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def dynamic(urls):
    router = {"rule": "Host(`a.test`)", "service": "a", "middlewares": ["all"]}
    pair = {"certFile": LEAF.cert_chain_pems[0].bytes().decode(), "keyFile": LEAF.private_key_pem.bytes().decode()}
    return {
        "http": {
            "routers": {
                "secure": {**router, "tls": {"options": "asking"}},
                "plain": {**router, "entryPoints": ["trusting"]},
            },
            "middlewares": {"all": {"passTLSClientCert": {"pem": True, "info": ALL}}},
            "services": {"a": balancer(urls["a"])},
        },
        "tls": {"certificates": [pair], "options": {"asking": {"clientAuth": {"clientAuthType": "RequestClientCert"}}}},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    points = {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}
    async with staged(dynamic, {"entryPoints": points}, ["a"]) as stage:
        yield stage


def over_http1(port, context, session=None, requests=1):
    """The session, and whether it is an earlier one."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as raw,
        context.wrap_socket(raw, server_hostname="a.test", session=session) as tls,
    ):
        for number in range(requests):
            last = number == requests - 1
            tls.sendall(head("GET / HTTP/1.1", "Host: a.test", *["Connection: close"] * last, f"{PEM}: spoofed"))
            answer = tls.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
        while tls.recv(65536):
            pass
        return tls.session, tls.session_reused


def over_http2(port, context):
    with (
        socket.create_connection(("127.0.0.1", port), 10) as raw,
        context.wrap_socket(raw, server_hostname="a.test") as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
        client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        client.initiate_connection()
        client.send_headers(
            1, [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/")], end_stream=True
        )
        while True:
            tls.sendall(client.data_to_send())
            for event in client.receive_data(tls.recv(65536)):
                if isinstance(event, h2.events.StreamEnded):
                    return


def seen(stage):
    return stage["a"].last.get_all(PEM), [unquote_plus(value) for value in stage["a"].last.get_all(INFO)]


@pytest.mark.spec("M-29")
async def test_the_server_learns_every_field_that_is_asked_for(stage):
    await asyncio.to_thread(over_http1, stage.gateway.port("web"), context(), requests=3)

    assert seen(stage) == ([base64.b64encode(DER).decode()], [TOLD])
    escaped = stage["a"].last.get(INFO)
    assert re.fullmatch(r"(?:[A-Za-z0-9\-_.~+]|%[0-9A-F]{2})+", escaped)


@pytest.mark.spec("M-30")
async def test_the_chain_is_passed_on_without_armour(stage):
    chain = AUTHORITY.cert_pem.bytes()
    await asyncio.to_thread(over_http1, stage.gateway.port("web"), context(chain=chain))
    (found,), _ = seen(stage)

    assert [base64.b64decode(part, validate=True) for part in found.split(",")] == [DER, CA_DER]


async def test_http2_makes_no_difference(stage):
    await asyncio.to_thread(over_http2, stage.gateway.port("web"), context(alpn=["h2"]))

    assert seen(stage) == ([base64.b64encode(DER).decode()], [TOLD])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_still_knows_the_clients_own_certificate(stage, version):
    again = context(version=version)
    session, _ = await asyncio.to_thread(over_http1, stage.gateway.port("web"), again)
    _, resumed = await asyncio.to_thread(over_http1, stage.gateway.port("web"), again, session)

    assert resumed
    assert seen(stage) == ([base64.b64encode(DER).decode()], [TOLD])


async def test_without_a_certificate_nothing_is_told(stage):
    await asyncio.to_thread(over_http1, stage.gateway.port("web"), context(certificate=b""))

    assert seen(stage) == ([], [])


async def test_what_a_trusted_client_claims_is_removed_too(stage):
    claims = {PEM.replace("-", "_"): "x", "x_forwarded_tls_client_cert_info": "y"}
    request = head("GET / HTTP/1.1", "Host: a.test", f"{PEM}: spoofed", f"{INFO}: spoofed", *map(": ".join, claims.items()))
    found = await stage.seen(request, "trusting")

    assert [name for name, _ in found.headers if b"cert" in name.lower()] == []
