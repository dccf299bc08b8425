"""What is said to OpenSSL itself, and that it heeds it."""

import ssl
from contextlib import suppress

import pytest
import trustme

from pointsman.net import openssl

CA = trustme.CA()
CERTIFICATE = CA.issue_cert("a.example")
SECRET = bytes(range(32))


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    return context


def client_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    return context


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ...]:
    """Both ends of a connection that has agreed, the client's ticket read."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    far = client.wrap_bio(down, up, server_hostname="a.example", session=session)
    near = server.wrap_bio(up, down, server_side=True)
    for end in (far, near, far, near, far):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    near.write(b"x")
    assert far.read() == b"x"
    return near, far


def test_a_group_that_openssl_does_not_know_is_refused_and_the_context_lives_on():
    context = server_context()
    with pytest.raises(ValueError, match="NOSUCH"):
        openssl.set_groups(context, "NOSUCH:P-256")
    openssl.set_groups(context, "X25519:P-256")
    shake(context, client_context())


def test_without_a_common_group_there_is_no_connection():
    near, far = server_context(), client_context()
    openssl.set_groups(near, "P-384")
    openssl.set_groups(far, "X25519")
    with pytest.raises(ssl.SSLError):
        shake(near, far)


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_taken_whoever_issued_it(required, version):
    context, client = server_context(), client_context(version)
    openssl.accept_any_certificate(context, required=required)
    own = trustme.CA().issue_cert("nobody.example")
    own.configure_cert(client)

    near, _ = shake(context, client)

    assert near.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())


def test_a_required_client_certificate_must_be_there():
    context = server_context()
    openssl.accept_any_certificate(context, required=True)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake(context, client_context())
    openssl.accept_any_certificate(context, required=False)
    near, _ = shake(context, client_context())
    assert near.getpeercert(binary_form=True) is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_contexts_with_one_secret_and_scope_resume_each_others_sessions(version):
    one, other, client = server_context(), server_context(), client_context(version)
    for context in (one, other):
        openssl.set_ticket_keys(context, SECRET, b"default")
    _, far = shake(one, client)

    _, again = shake(other, client, far.session)

    assert again.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_goes_from_one_scope_to_another_or_from_another_secret(version):
    one, strict, foreign, client = server_context(), server_context(), server_context(), client_context(version)
    openssl.set_ticket_keys(one, SECRET, b"default")
    openssl.set_ticket_keys(strict, SECRET, b"strict")
    openssl.set_ticket_keys(foreign, SECRET[::-1], b"default")
    _, far = shake(one, client)

    for context in (strict, foreign):
        _, again = shake(context, client, far.session)
        assert not again.session_reused


def test_without_tickets_and_without_the_cache_nothing_is_resumed():
    context, client = server_context(), client_context(ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_TICKET
    openssl.stop_session_cache(context)
    _, far = shake(context, client)

    _, again = shake(context, client, far.session)

    assert not again.session_reused


def test_a_secret_must_be_long_enough():
    with pytest.raises(ValueError, match="at least 32 bytes"):
        openssl.set_ticket_keys(server_context(), b"short", b"default")


def test_where_a_context_is_not_what_it_seems_nothing_is_done(monkeypatch):
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pointer = openssl._pointer(other)
    monkeypatch.setattr(openssl, "_pointer", lambda context: pointer)
    with pytest.raises(openssl.Unsupported):
        openssl.set_groups(server_context(), "P-256")
