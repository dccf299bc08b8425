"""Which certificate a server name gets, and which pairs are refused."""

import datetime
import pickle
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pointsman.server.certificates import CertificateStore, Pair
from pointsman.server.terms import TlsSettings
from pointsman.server.x509 import DEFAULT_NAME, generate_default, read_pair

AUTHORITY = trustme.CA()
_PEM = serialization.Encoding.PEM


def a_pair(*names: str) -> Pair:
    return Pair("certificate", "key", tuple(sorted(name.encode() for name in names)))


def a_store(*pairs: Pair) -> CertificateStore:
    store = CertificateStore(a_pair())
    for _ in store.filling(pairs):
        pass
    return store


def issued(*names: str, common_name: str | None = None) -> tuple[str, str]:
    leaf = AUTHORITY.issue_cert(*names, common_name=common_name)
    return "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes().decode()


def self_signed(key: Any, *, days: tuple[int, int] = (-1, 1), algorithm: Any = None) -> tuple[str, str]:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + datetime.timedelta(days=days[0]))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=days[1])).sign(key, algorithm)
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(_PEM).decode(), private.decode()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (b"exact.test", "exact"),
        (b"sub.wild.test", "sub"),
        (b"a.wild.test", "wild"),
        (b"a.b.wild.test", None),
        (b"wild.test", None),
        (b"other.test", None),
        (b"127.0.0.1", "ip"),
        (b"::ffff:127.0.0.1", "ip"),
        (b"fe80::1%eth0", "ip"),
        (b"", None),
        (b".", None),
    ],
)
def test_a_name_gets_its_certificate_before_the_wildcard_above_it(asked: bytes, found: str | None) -> None:
    pairs = {
        "wild": a_pair("*.wild.test"),
        "exact": a_pair("exact.test"),
        "sub": a_pair("sub.wild.test"),
        "ip": a_pair("127.0.0.1", "fe80::1"),
    }
    assert a_store(*pairs.values()).find(asked) is (pairs[found] if found else None)


def test_of_two_with_the_same_names_the_first_stays() -> None:
    first, second = a_pair("a.test", "b.test"), a_pair("b.test", "a.test")
    assert a_store(first, second).find(b"a.test") is first


def scanned(pairs: list[Pair], name: bytes) -> Pair | None:
    """As the specification says it: the lists of names in reverse alphabetical order, one after the other."""
    wildcard = b"*." + name.partition(b".")[2]
    unique: dict[bytes, Pair] = {}
    for pair in pairs:
        unique.setdefault(b",".join(pair.names), pair)
    for _, pair in sorted(unique.items(), reverse=True):
        if name in pair.names or wildcard in pair.names:
            return pair
    return None


NAMES = st.sampled_from(["*.t", "a.t", "b.t", "*.a.t", "b.a.t", "zz"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3, unique=True).map(lambda names: a_pair(*names)), max_size=6), NAMES)
def test_the_index_answers_as_a_scan_would(pairs: list[Pair], name: str) -> None:
    asked = name.replace("*", "x").encode()
    assert a_store(*pairs).find(asked) is scanned(pairs, asked)


def test_the_names_are_the_common_name_and_all_alternatives_in_lower_case() -> None:
    pair, warnings = read_pair(*issued("B.Test", "127.0.0.1", "*.W.test", common_name="Common.TEST"))
    assert pair.names == (b"*.w.test", b"127.0.0.1", b"b.test", b"common.test")
    assert warnings == []


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        (rsa.generate_private_key(65537, 2048), hashes.SHA256()),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
)
def test_every_usual_kind_of_key_is_served(key: Any, algorithm: Any) -> None:
    pair, _ = read_pair(*self_signed(key, algorithm=algorithm))
    assert pair.names == (b"a.test",)
    pair.load_into(TlsSettings().context())


def test_a_certificate_out_of_its_time_is_served_with_a_warning() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for days, words in (((-3, -1), "expired on"), ((1, 3), "valid only from")):
        _, (warning,) = read_pair(*self_signed(key, days=days, algorithm=hashes.SHA256()))
        assert words in warning


ENCRYPTED = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word"))
    .decode()
)


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (issued("a.test")[0], issued("a.test")[1], "the key is not that of the certificate"),
        (issued("a.test")[0], ENCRYPTED, "the key is encrypted; decrypt it first"),
        (issued("a.test")[0], "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "the key cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", issued("a.test")[1], "certificate cannot be read"),
        ("garbage", "garbage", "the certificate cannot be read as PEM"),
        (
            *self_signed(rsa.generate_private_key(65537, 1024), algorithm=hashes.SHA256())[:1],
            issued("a.test")[1],
            "not that of",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_without_a_word_of_the_key(certificate: str, key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_pair(certificate, key)
    assert "c2VjcmV0" not in str(caught.value)


SIGNED_WITH_SHA1 = """\
-----BEGIN CERTIFICATE-----
MIIBDTCBtgIBATAJBgcqhkjOPQQBMBYxFDASBgNVBAMMC2lzc3Vlci50ZXN0MCAX
DTI2MTEyMzA1NTgyNVoYDzIxMjYxMDMwMDU1ODI1WjARMQ8wDQYDVQQDDAZhLnRl
c3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARSjunpfWr/adapUgPwL8P+Vutw
DxN5hjSeEeSLNFC2aTb1VZV2oXDkfy1nq1+Osby+EwZxKg2t0o2GJuS7xBK/MAkG
ByqGSM49BAEDRwAwRAIgALm6bKAFtzVvs700kDJK6HW85If2LdEm8phg4tMraP8C
IDU0QG0roYEYzXbSr52SRyZUds525cORxQAtnwpp2fKT
-----END CERTIFICATE-----
"""
ITS_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf7E0g94WRp6RoPQp
UXX1IO1Oxrdt0D/eldo13g1AqxihRANCAARSjunpfWr/adapUgPwL8P+VutwDxN5
hjSeEeSLNFC2aTb1VZV2oXDkfy1nq1+Osby+EwZxKg2t0o2GJuS7xBK/
-----END PRIVATE KEY-----
"""
"""Made with `openssl x509 -req -sha1`, which `cryptography` refuses to do; valid for a hundred years, of use to nobody."""


def test_a_signature_that_openssl_refuses_is_told_before_a_client_comes() -> None:
    with pytest.raises(ValueError, match="signed with SHA1, which OpenSSL refuses"):
        read_pair(SIGNED_WITH_SHA1, ITS_KEY)
    with pytest.raises(ValueError, match="no pair that can be used"):
        Pair(SIGNED_WITH_SHA1, ITS_KEY, ()).load_into(TlsSettings().context())


def test_a_key_is_never_shown() -> None:
    certificate, key = issued("a.test")
    pair, _ = read_pair(certificate, key)
    assert repr(pair) == "<Pair a.test>"
    assert key.splitlines()[1] not in f"{pair!r} {a_store(pair)!r}"


def test_the_default_certificate_has_a_name_of_its_own_and_travels_to_workers() -> None:
    pair = pickle.loads(pickle.dumps(generate_default()))
    leaf = x509.load_pem_x509_certificate(pair.certificate.encode())
    assert [str(each.value) for each in leaf.subject] == [DEFAULT_NAME]
    (name,) = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [len(part) for part in name.value.split(".")[:2]] == [32, 32]
    assert 364 < (leaf.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days + 1 <= 366
    pair.load_into(TlsSettings().context())
