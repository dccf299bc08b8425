"""The `tls` block of middlewares that reach a server of their own (middlewares.md section 2.6)."""

import logging
import ssl
import weakref
from typing import Any

import pytest
import trustme

from pointsman.config.convert import structure
from pointsman.dialect.client_tls import ClientTLS
from pointsman.errors import ConfigError

AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("a.test")
CA = AUTHORITY.cert_pem.bytes().decode()
CERT, KEY = LEAF.cert_chain_pems[0].bytes().decode(), LEAF.private_key_pem.bytes().decode()


def block(**raw: Any) -> ClientTLS:
    config, problems = structure(ClientTLS, raw, "tls")
    assert config is not None, problems
    return config


def test_it_makes_the_settings_of_connections_and_a_context() -> None:
    settings = block(ca=CA, cert=CERT, key=KEY).settings()
    context = settings.context()
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert [each["subject"] for each in context.get_ca_certs()] != []
    assert not block(insecureSkipVerify=True).settings().context().check_hostname


def test_paths_are_read_when_it_is_built(tmp_path: Any) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(CA)
    assert block(ca=str(path)).settings().identity == block(ca=CA).settings().identity


def test_two_are_the_same_that_say_the_same() -> None:
    assert block(ca=CA).settings().identity != block(insecureSkipVerify=True).settings().identity
    assert block(ca=CA, cert=CERT, key=KEY).settings().identity == block(ca=CA, cert=CERT, key=KEY).settings().identity


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        ({"cert": CERT}, "tls", "both TLS cert and key must be defined"),
        ({"key": KEY}, "tls", "both TLS cert and key must be defined"),
        ({"ca": "/nowhere.pem"}, "tls.ca", "cannot be read"),
        ({"ca": "-----BEGIN nonsense"}, "tls.ca", "no certificate that can be used"),
        ({"cert": CERT, "key": trustme.CA().issue_cert("b.test").private_key_pem.bytes().decode()}, "tls.cert", "no pair"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_place(raw: dict[str, str], path: str, message: str) -> None:
    config, problems = structure(ClientTLS, raw, "tls")
    if config is not None:
        with pytest.raises(ConfigError) as refused:
            config.settings()
        problems = [*refused.value.problems]
    (problem,) = problems
    assert problem.path == path
    assert message in problem.message
    assert "PRIVATE" not in str(problem)


def test_who_says_the_same_has_the_same_settings_as_long_as_anybody_has_them() -> None:
    settings = block(ca=CA, cert=CERT, key=KEY).settings()
    assert block(ca=CA, cert=CERT, key=KEY).settings() is settings
    assert block(ca=CA, cert=CERT, key=KEY, insecureSkipVerify=True).settings() is not settings
    left = weakref.ref(settings)
    del settings
    assert left() is None


def test_the_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(block(cert=CERT, key=KEY))


def test_what_is_deprecated_is_said(caplog: pytest.LogCaptureFixture) -> None:
    block(caOptional=True).settings("tls", logging.getLogger("x"))
    assert "tls.caOptional is deprecated" in caplog.text
