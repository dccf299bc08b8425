"""What servers learn of a client's certificate."""

import datetime
from functools import cache
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_nginx import AuthTLSPassCertificateToUpstream

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
NAME = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "Cheese, Inc"), (NameOID.COMMON_NAME, "client.t")]
CLAIMS = {
    "Ssl-Client-Verify": "SUCCESS",
    "Ssl_Client_Subject_Dn": "CN=root",
    "Ssl-Client-Cert": "x",
    "Ssl.Client.Issuer-Dn": "y",
}


@cache
def authority(name="CA"):
    key = ec.generate_private_key(ec.SECP256R1())
    return key, signed([(NameOID.COMMON_NAME, name)], [(NameOID.COMMON_NAME, name)], key, key, ca=True)


def signed(subject, issuer, key, signer, *, ca=False, days=1):
    now = datetime.datetime.now(datetime.UTC)
    subject, issuer = (x509.Name([x509.NameAttribute(*part) for part in each]) for each in (subject, issuer))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=2)).not_valid_after(now + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if ca:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        usage |= {"key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    else:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(signer, hashes.SHA256())


@cache
def client(by="CA", days=1):
    key, _ = authority(by)
    return signed(NAME, [(NameOID.COMMON_NAME, by)], ec.generate_private_key(ec.SECP256R1()), key, days=days)


class Secured:
    def __init__(self, *chain):
        self.chain = chain

    def certificates(self):
        return self.chain


async def told(options, *chain, tls=True, headers=None):
    request = a_request("GET", "/", headers or {})
    request.link = Link(Address("127.0.0.1", 1), Address("127.0.0.1", 2), b"https", "web", Secured(*chain) if tls else None)
    upstream = answering(200)
    await build(AuthTLSPassCertificateToUpstream, options)(request, upstream)
    return {name.decode(): value.decode() for name, value in upstream.last.headers if name.startswith(b"ssl")}


async def test_who_was_verified_is_named():
    certificate = client()
    lines = await told({"clientAuthType": "RequireAndVerifyClientCert"}, certificate.public_bytes(DER), headers=CLAIMS)

    assert unquote(lines.pop("ssl-client-cert")) == certificate.public_bytes(PEM).decode()
    assert lines == {
        "ssl-client-verify": "SUCCESS",
        "ssl-client-subject-dn": r"CN=client.t,O=Cheese\, Inc,C=FR",
        "ssl-client-issuer-dn": "CN=CA",
    }


async def test_a_certificate_in_a_header_has_no_space_and_no_plus():
    lines = await told({}, client().public_bytes(DER))

    assert lines["ssl-client-cert"].startswith("-----BEGIN%20CERTIFICATE-----%0A")
    assert not set(lines["ssl-client-cert"]) & set(" +/=\n")


@pytest.mark.parametrize("tls", [True, False])
async def test_who_shows_none_is_nobody_whatever_it_says(tls):
    assert await told({}, tls=tls, headers=CLAIMS) == {"ssl-client-verify": "NONE"}


async def checked(certificate, *authorities):
    options = {"clientAuthType": "RequestClientCert"}
    if authorities:
        options["caFiles"] = [authority(name)[1].public_bytes(PEM).decode() for name in authorities]
    return (await told(options, certificate.public_bytes(DER)))["ssl-client-verify"]


async def test_where_any_certificate_is_taken_it_is_checked_here():
    assert await checked(client(), "other", "CA") == "SUCCESS"
    assert (await checked(client(), "other")).startswith("FAILED:")
    assert (await checked(client(days=-1), "CA")).startswith("FAILED:")
    assert (await checked(client())).startswith("FAILED:")


async def test_a_certificate_that_cannot_be_read_has_failed():
    lines = await told({"clientAuthType": "RequestClientCert"}, b"rubbish")

    assert lines == {"ssl-client-verify": "FAILED:the certificate cannot be read"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clientAuthType": "Sometimes"}, "clientAuthType: 'Sometimes' is none of"),
        ({"caFiles": ["-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"]}, "caFiles[0]"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message):
    with pytest.raises(ConfigError) as error:
        build(AuthTLSPassCertificateToUpstream, options)
    assert message in str(error.value)
