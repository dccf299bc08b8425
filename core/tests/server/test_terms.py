"""What handshakes agree on under TLS options, shown by handshakes in memory."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from pointsman.compile.tls_options import OptionsEntry, build_options
from pointsman.server.certificates import Pair
from pointsman.server.terms import TlsTerms
from pointsman.server.x509 import read_pair

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


def issued(authority: trustme.CA, name: str) -> tuple[str, str]:
    leaf = authority.issue_cert(name)
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


PAIR, _ = read_pair(*issued(AUTHORITY, "a.test"))
CA_PEM = AUTHORITY.cert_pem.bytes().decode()
SECRET = b"s" * 32


def entry(raw: Any = None, secret: bytes = SECRET, name: str = "o@file") -> OptionsEntry:
    return build_options(name, raw, secret)


def terms(raw: Any = None, secret: bytes = SECRET) -> TlsTerms:
    built = entry(raw, secret)
    assert built.terms is not None, built.problems
    return built.terms


def a_client(change: Callable[[ssl.SSLContext], object] = lambda context: None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    change(context)
    return context


class Shaken:
    """Both sides of a handshake in memory, as far as it went."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.client = client.wrap_bio(to_client, to_server, server_hostname="a.test", session=session)
        waiting = [self.client, self.server]
        for _ in range(6):
            for side in list(waiting):
                try:
                    side.do_handshake()
                    waiting.remove(side)
                except ssl.SSLWantReadError:
                    pass
        self.server.write(b"x")
        assert self.client.read(1) == b"x"  # with it come the tickets, and an alert that the handshake left behind


def refused(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    with pytest.raises(ssl.SSLError) as caught:
        Shaken(server, client)
    return caught.value.reason or ""


def test_the_default_is_tls_1_2_and_later_with_http2_first() -> None:
    default = terms()
    assert default.alpn == (b"h2", b"http/1.1", b"acme-tls/1")
    client = a_client(lambda context: context.set_alpn_protocols(["acme-tls/1", "http/1.1", "h2"]))
    shaken = Shaken(default.context_for(PAIR), client)
    assert (shaken.server.version(), shaken.server.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    old = a_client(lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2))
    assert Shaken(default.context_for(PAIR), old).server.version() == "TLSv1.2"


def test_a_challenge_protocol_is_never_agreed_on() -> None:
    client = a_client(lambda context: context.set_alpn_protocols(["acme-tls/1"]))
    assert Shaken(terms().context_for(PAIR), client).server.selected_alpn_protocol() is None


def test_the_context_of_a_pair_is_made_once_and_goes_with_it() -> None:
    default = terms()
    assert default.context_for(PAIR) is default.context_for(PAIR)
    own, _ = read_pair(*issued(AUTHORITY, "b.test"))
    assert default.context_for(own) is not default.context_for(PAIR)
    assert repr(default) == "<TlsTerms o@file, 2 contexts>"
    del own
    assert repr(default) == "<TlsTerms o@file, 1 contexts>"


def test_a_minimum_version_refuses_older_clients() -> None:
    old = a_client(lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2))
    assert "PROTOCOL" in refused(terms({"minVersion": "VersionTLS13"}).context_for(PAIR), old)


def test_old_versions_are_spoken_where_they_are_asked_for(recwarn: pytest.WarningsRecorder) -> None:
    server = terms({"minVersion": "VersionTLS10"}).context_for(PAIR)
    assert not recwarn.list
    client = a_client(lambda context: context.set_ciphers("DEFAULT:@SECLEVEL=0"))
    with pytest.deprecated_call():
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1
    assert Shaken(server, client).server.version() == "TLSv1"


def test_ciphers_and_curves_are_those_that_are_named() -> None:
    raw = {
        "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_RC4_128_SHA"],
        "curvePreferences": ["CurveP521", "X25519MLKEM768"],
        "maxVersion": "VersionTLS12",
    }
    built = entry(raw)
    assert built.terms is not None
    server = built.terms.context_for(PAIR)
    cipher = Shaken(server, a_client()).server.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    other = a_client(lambda context: context.set_ecdh_curve("prime256v1"))
    assert refused(server, other)
    warnings = [str(problem) for problem in built.problems]
    assert "tls.options.o@file.cipherSuites: TLS_RSA_WITH_RC4_128_SHA is not in this OpenSSL and is left out" in warnings


@pytest.mark.parametrize(
    ("raw", "place", "message"),
    [
        ({"minVersion": "TLS13"}, ".minVersion", "unknown TLS version"),
        ({"maxVersion": "VersionTLS14"}, ".maxVersion", "unknown TLS version"),
        ({"minVersion": "VersionTLS13", "maxVersion": "VersionTLS12"}, "", "above the maximum"),
        ({"cipherSuites": ["TLS_NOPE"]}, ".cipherSuites", "unknown cipher suite 'TLS_NOPE'"),
        ({"curvePreferences": ["P9"]}, ".curvePreferences", "unknown curve 'P9'"),
        ({"clientAuth": {"clientAuthType": "Sometimes"}}, ".clientAuth.clientAuthType", "unknown kind 'Sometimes'"),
        ({"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}, ".clientAuth.caFiles", "is missing"),
        ({"clientAuth": {"clientAuthType": "VerifyClientCertIfGiven"}}, ".clientAuth.caFiles", "is missing"),
        ({"clientAuth": {"caFiles": ["/nowhere.pem"]}}, ".clientAuth.caFiles[0]", "cannot be read"),
        ({"clientAuth": {"caFiles": ["-----BEGIN CERTIFICATE-----"]}}, ".clientAuth.caFiles[0]", "no certificate"),
        ("is defined by a and b, so none is used", "", "is defined by a and b"),
    ],
)
def test_options_that_cannot_be_meant_are_broken(raw: Any, place: str, message: str) -> None:
    broken = entry(raw)
    assert broken.terms is None
    assert [problem.path for problem in broken.problems if message in problem.message] == [f"tls.options.o@file{place}"]


def test_a_deprecated_option_is_named() -> None:
    built = entry({"preferServerCipherSuites": True})
    assert built.terms is not None
    assert [problem.warning for problem in built.problems] == [True]


def with_certificate(authority: trustme.CA) -> ssl.SSLContext:
    client = a_client()
    authority.issue_cert("client.test").configure_cert(client)
    return client


NOBODY, KNOWN, FOREIGN = a_client(), with_certificate(AUTHORITY), with_certificate(STRANGER)


@pytest.mark.parametrize(
    ("kind", "nobody", "foreign", "known"),
    [
        ("NoClientCert", "", "", ""),
        ("RequestClientCert", "", "", ""),
        ("RequireAnyClientCert", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "", ""),
        ("VerifyClientCertIfGiven", "", "CERTIFICATE_VERIFY_FAILED", ""),
        ("RequireAndVerifyClientCert", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED", ""),
        ("", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED", ""),
    ],
)
def test_clients_are_asked_for_certificates_as_the_kind_says(kind: str, nobody: str, foreign: str, known: str) -> None:
    files = [] if kind.startswith(("No", "Request", "RequireAny")) else [CA_PEM]
    server = terms({"clientAuth": {"clientAuthType": kind, "caFiles": files}}).context_for(PAIR)
    for client, expected in ((NOBODY, nobody), (FOREIGN, foreign), (KNOWN, known)):
        if expected:
            assert refused(server, client) == expected
        else:
            shown = Shaken(server, client).server.getpeercert(True)
            assert (shown is not None) == (client is not NOBODY and kind != "NoClientCert")


def test_an_intermediate_authority_may_be_trusted_alone() -> None:
    below = AUTHORITY.create_child_ca()
    server = terms({"clientAuth": {"caFiles": [below.cert_pem.bytes().decode()]}}).context_for(PAIR)
    assert Shaken(server, with_certificate(below)).server.getpeercert(True)
    assert refused(server, KNOWN) == "CERTIFICATE_VERIFY_FAILED"


def test_sessions_are_resumed_in_every_worker_but_never_under_other_options() -> None:
    client = a_client()
    session = Shaken(terms().context_for(PAIR), client).client.session
    assert Shaken(terms().context_for(PAIR), client, session).server.session_reused  # another worker's terms
    strict = terms({"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert", "caFiles": [CA_PEM]}})
    with pytest.raises(ssl.SSLError):
        Shaken(strict.context_for(PAIR), client, session)
    assert not Shaken(terms(secret=b"t" * 32).context_for(PAIR), client, session).server.session_reused


@pytest.mark.parametrize("maximum", ["VersionTLS12", "VersionTLS13"])
def test_without_tickets_nothing_is_resumed(maximum: str) -> None:
    server = terms({"disableSessionTickets": True, "maxVersion": maximum}).context_for(PAIR)
    client = a_client()
    session = Shaken(server, client).client.session
    assert not Shaken(server, client, session).server.session_reused


def test_a_pair_that_openssl_refuses_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no pair"):
        terms().context_for(Pair("-----BEGIN CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----", ()))


def test_a_chain_of_several_certificates_is_shown_whole() -> None:
    leaf = AUTHORITY.create_child_ca().create_child_ca().issue_cert("a.test")
    chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
    assert chain.count("BEGIN CERTIFICATE") == 3
    pair, _ = read_pair(chain, leaf.private_key_pem.bytes().decode())
    assert Shaken(terms().context_for(pair), a_client()).client.version() == "TLSv1.3"  # who knows the root alone


def test_contexts_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.server.terms.MAX_CONTEXTS", 2)
    pairs = [read_pair(*issued(AUTHORITY, f"{name}.test"))[0] for name in "abc"]
    default = terms()
    contexts = [default.context_for(pair) for pair in pairs]
    assert repr(default) == "<TlsTerms o@file, 2 contexts>"
    assert default.context_for(pairs[2]) is contexts[2]
    assert default.context_for(pairs[0]) is not contexts[0]
