"""TLS towards servers: who is trusted and what is checked, over memory instead of sockets."""

import ssl
from typing import Any

import pytest
import trustme

from pointsman.net.client_tls import ClientTls

AUTHORITY = trustme.CA()
ROOT = AUTHORITY.cert_pem.bytes().decode()
LEAF = AUTHORITY.issue_cert("a.test", "127.0.0.1")
LEAF_PAIR = (LEAF.cert_chain_pems[0].bytes().decode(), LEAF.private_key_pem.bytes().decode())


def a_server(leaf: trustme.LeafCert = LEAF, asks: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=asks)
    return context


def shake(tls: ClientTls, server: ssl.SSLContext, host: str = "a.test", protocols: tuple[str, ...] = ()) -> Any:
    """The two ends after their handshake, client first."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        tls.context(*protocols).wrap_bio(back, there, server_hostname=tls.name_for(host)),
        server.wrap_bio(there, back, server_side=True),
    )
    left = list(ends)
    for _ in range(6):
        for end in tuple(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not left
    return ends


@pytest.mark.parametrize("host", ["a.test", "a.test.", "127.0.0.1"])
def test_a_server_with_a_trusted_certificate_for_its_name_is_good(host: str) -> None:
    shake(ClientTls(authorities=[ROOT]), a_server(), host)


@pytest.mark.parametrize(
    ("tls", "host", "reason"),
    [
        (ClientTls(), "a.test", "unable to get local issuer certificate"),
        (ClientTls(authorities=[trustme.CA().cert_pem.bytes().decode()]), "a.test", "unable to get local issuer"),
        (ClientTls(authorities=["/nowhere.pem"]), "a.test", "unable to get local issuer"),
        (ClientTls(authorities=[ROOT]), "b.test", "Hostname mismatch"),
        (ClientTls(authorities=[ROOT]), "127.0.0.2", "IP address mismatch"),
        (ClientTls("b.test", authorities=[ROOT]), "a.test", "Hostname mismatch"),
    ],
)
def test_a_server_that_cannot_prove_its_name_is_refused(tls: ClientTls, host: str, reason: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        shake(tls, a_server(), host)


def test_another_name_can_be_asked_for_and_verified() -> None:
    asked: list[str | None] = []
    server = a_server()
    server.sni_callback = lambda end, name, context: asked.append(name)
    shake(ClientTls("a.test", authorities=[ROOT]), server, "10.0.0.1")
    assert asked == ["a.test"]


def test_whoever_skips_verification_takes_anybody() -> None:
    shake(ClientTls(skip_verify=True), a_server(), "b.test")


def test_what_cannot_be_read_is_told_and_the_rest_counts() -> None:
    tls = ClientTls(authorities=["/nowhere.pem", ROOT], pairs=[("-----BEGIN x", "-----BEGIN y"), LEAF_PAIR])
    assert [place for place, _ in tls.problems] == ["rootCAs[0]", "certificates[0]"]
    _, server = shake(tls, a_server(asks=ROOT))
    assert server.getpeercert()["subjectAltName"] == (("DNS", "a.test"), ("IP Address", "127.0.0.1"))


def test_the_first_of_two_client_certificates_is_shown() -> None:
    other = AUTHORITY.issue_cert("other.test")
    pair = (other.cert_chain_pems[0].bytes().decode(), other.private_key_pem.bytes().decode())
    _, server = shake(ClientTls(authorities=[ROOT], pairs=[LEAF_PAIR, pair]), a_server(asks=ROOT))
    assert server.getpeercert()["subjectAltName"][0] == ("DNS", "a.test")


def with_uri(uri: str, authority: trustme.CA = AUTHORITY) -> trustme.LeafCert:
    """trustme knows no URIs, so it is made by hand."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    root = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    root_key: Any = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    now = datetime.datetime(2020, 1, 1)
    names = x509.SubjectAlternativeName([x509.DNSName("a.test"), x509.UniformResourceIdentifier(uri)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2120))
        .add_extension(names, False)
        .sign(root_key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(serialization.Encoding.PEM), [])


IDENTITY = with_uri("spiffe://a.test/shop")


@pytest.mark.parametrize(
    "options",
    [
        {"peer_uri": "SPIFFE://a.test/SHOP"},
        {"peer_uri": "spiffe://a.test/shop", "skip_verify": True},
        {"peer_names": [("URI", "spiffe://a.test/other"), ("URI", "spiffe://A.test/shop")]},
        {"peer_names": [("DNS", "A.test")], "skip_verify": True},
    ],
)
def test_a_name_that_the_certificate_must_bear_is_found(options: dict[str, Any]) -> None:
    shake(ClientTls(authorities=[ROOT], **options), a_server(IDENTITY), "b.test" if "skip_verify" in options else "a.test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peer_uri": "spiffe://a.test/other"}, "does not bear the URI spiffe://a.test/other"),
        ({"peer_uri": "a.test", "skip_verify": True}, "does not bear the URI"),
        ({"peer_names": [("URI", "a.test"), ("DNS", "b.test")]}, "bears none of the names"),
        ({"peer_names": [("URI", "a.test")], "skip_verify": True}, "bears none of the names"),
    ],
)
def test_a_certificate_without_the_name_it_must_bear_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=message):
        shake(ClientTls(authorities=[ROOT], **options), a_server(IDENTITY))


def test_the_chain_of_a_named_peer_is_verified_even_where_verification_is_skipped() -> None:
    stranger = with_uri("spiffe://a.test/shop", trustme.CA())
    tls = ClientTls(authorities=[ROOT], peer_uri="spiffe://a.test/shop", skip_verify=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        shake(tls, a_server(stranger))


def test_protocols_are_offered_as_each_connection_wants_them() -> None:
    tls = ClientTls(authorities=[ROOT])
    agreed = [shake(tls, a_server(), protocols=offer)[0] for offer in (("h2", "http/1.1"), ("http/1.1",), ())]
    assert [end.selected_alpn_protocol() for end in agreed] == ["h2", "http/1.1", None]


def test_a_version_alone_keeps_all_other_settings() -> None:
    tls = ClientTls(minimum="VersionTLS13", authorities=[ROOT])
    server = a_server()
    assert shake(tls, server)[0].version() == "TLSv1.3"
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake(tls, server)


def test_it_shows_no_key() -> None:
    assert "PRIVATE" not in repr(ClientTls(pairs=[LEAF_PAIR]))
