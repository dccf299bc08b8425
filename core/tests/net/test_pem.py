"""Certificates and keys are read from text and from files, and never shown."""

import os
import ssl
from pathlib import Path

import pytest
import trustme

from pointsman.net import pem
from pointsman.values import read_text


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pair(authority: trustme.CA) -> tuple[str, str]:
    leaf = authority.issue_cert("a.test")
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


def a_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_a_pair_is_loaded_from_text(pair: tuple[str, str]) -> None:
    pem.load_pair(a_context(), *pair)


def test_a_pair_is_loaded_from_files(pair: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(pair[0])
    (tmp_path / "key.pem").write_text(pair[1])
    pem.load_pair(a_context(), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


def test_one_file_may_hold_both(pair: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text(pair[1] + pair[0])
    pem.load_pair(a_context(), str(tmp_path / "both.pem"), "")


def test_authorities_are_loaded(authority: trustme.CA) -> None:
    context = a_context()
    pem.load_authorities(context, authority.cert_pem.bytes().decode())
    assert len(context.get_ca_certs()) == 1


def test_a_key_of_another_certificate_is_refused(pair: tuple[str, str], authority: trustme.CA) -> None:
    other = authority.issue_cert("b.test").private_key_pem.bytes().decode()
    with pytest.raises(ValueError, match="are no pair that can be used: key values mismatch"):
        pem.load_pair(a_context(), pair[0], other)


def test_an_encrypted_key_is_refused_without_a_question() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    certificate = trustme.CA().cert_pem.bytes().decode()
    with pytest.raises(ValueError, match="the key is encrypted"):
        pem.load_pair(a_context(), certificate, key.decode())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "it is empty"),
        ("/nowhere/ca.pem", "the file /nowhere/ca.pem cannot be read: No such file or directory"),
        ("c2VjcmV0", "it is no PEM text, and as the path of a file cannot be read"),
        ("nul\0.pem", "cannot be read"),
        ("/proc/self/comm", "it is no PEM text, and as the path of a file holds none"),
        ("/dev/null", "it is no PEM text, and as the path of a file cannot be read: it is a device"),
        (os.__file__, "holds no PEM text"),
    ],
)
def test_what_is_no_pem_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pem.read_pem(source)


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any label may name /dev/watchdog, and to open that is to start it."""
    opened: list[str] = []
    monkeypatch.setattr(os, "open", lambda path, flags: opened.append(path))
    for read in (pem.read_pem, read_text):
        with pytest.raises(ValueError, match="cannot be read: it is"):
            read("/dev/null")
    assert opened == []


def test_a_text_that_is_neither_pem_nor_a_path_is_not_shown() -> None:
    with pytest.raises(ValueError, match="key: it is no PEM text") as caught:
        pem.load_pair(a_context(), "-----BEGIN CERTIFICATE-----", "c2VjcmV0")
    assert "c2VjcmV0" not in str(caught.value)


def test_broken_pem_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no certificate that can be used"):
        pem.load_authorities(a_context(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
