"""The configuration's names of versions and suites mean what OpenSSL's do."""

import ssl

import pytest

from pointsman.net import ciphers


def a_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def names_of(context: ssl.SSLContext) -> set[str]:
    return {cipher["name"] for cipher in context.get_ciphers() if not cipher["name"].startswith("TLS_")}


def test_without_a_word_it_is_tls_1_2_and_later_with_forward_secrecy() -> None:
    context = a_context()
    ciphers.restrict(context)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert names_of(context)
    assert all(name.startswith("ECDHE-") for name in names_of(context))


def test_a_minimum_alone_leaves_the_maximum_open() -> None:
    context = a_context()
    ciphers.restrict(context, minimum="VersionTLS13")
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_a_maximum_below_the_default_minimum_is_heeded() -> None:
    context = a_context()
    ciphers.restrict(context, maximum="VersionTLS11")
    assert context.minimum_version == context.maximum_version == ssl.TLSVersion.TLSv1_1


def test_the_suites_that_are_named_are_the_only_ones_below_tls_1_3() -> None:
    context = a_context()
    ciphers.restrict(context, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"])
    assert names_of(context) == {"ECDHE-RSA-AES256-GCM-SHA384"}


def test_suites_of_tls_1_3_alone_mean_tls_1_3_alone() -> None:
    context = a_context()
    ciphers.restrict(context, ["TLS_AES_128_GCM_SHA256"])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_suite_that_this_openssl_lacks_is_passed_over_beside_others() -> None:
    context = a_context()
    ciphers.restrict(context, ["TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"], minimum="VersionTLS10")
    assert "AES128-SHA" in names_of(context)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"suites": ["TLS_MADE_UP"]}, "unknown cipher suite 'TLS_MADE_UP'"),
        ({"minimum": "TLS12"}, "unknown TLS version 'TLS12'; known are VersionTLS10"),
        ({"maximum": "1.2"}, "unknown TLS version '1.2'"),
        ({"minimum": "VersionTLS13", "maximum": "VersionTLS12"}, "VersionTLS13 is above the maximum VersionTLS12"),
        ({"suites": ["TLS_AES_128_GCM_SHA256"], "maximum": "VersionTLS12"}, "no cipher suite is left for VersionTLS12"),
        ({"suites": ["TLS_RSA_WITH_RC4_128_SHA"]}, "none of the cipher suites TLS_RSA_WITH_RC4_128_SHA is in this OpenSSL"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ciphers.restrict(a_context(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "ECDHE-RSA-DES-CBC3-SHA"),
    ],
)
def test_a_suite_is_known_by_both_names(name: str, spelled: str) -> None:
    assert ciphers.cipher_list([name, name]) == [spelled]


def test_every_suite_that_openssl_has_is_spelled_as_openssl_does() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    known = {cipher["name"] for cipher in context.get_ciphers()}
    missing = set(ciphers.CIPHERS.values()) - known
    assert all("RC4" in name or "DES" in name for name in missing), missing


def test_curves_may_be_written_in_lower_case() -> None:
    assert ciphers.CURVES["curvep256"] == ciphers.CURVES["CurveP256"] == "P-256"
