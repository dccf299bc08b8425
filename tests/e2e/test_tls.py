"""TLS towards clients: certificates and options by name, client certificates, alerts, sessions (routing.md 4.3 and 8)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

import pytest
import pytest_asyncio
import trustme
from attrs import define
from cryptography import x509

from .stage import Stage, balancer, closed, head, staged

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.filterwarnings("ignore:ssl.TLSVersion")]

CA = trustme.CA()
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
STATIC = {"entryPoints": {"web": {}, "strict": {}}}


def pem(*names: str) -> dict[str, str]:
    """A certificate for these names and its key, in place of files."""
    issued = CA.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return {"certFile": chain.decode(), "keyFile": issued.private_key_pem.bytes().decode()}


def router(rule: str, **tls: str) -> dict[str, object]:
    return {"rule": rule, "service": "a", "entryPoints": ["web"], "tls": tls or True}


def dynamic(urls):
    authority = CA.cert_pem.bytes().decode()
    hosts = ("exact", "m2", "sub.wild", "a.wild", "a.b.wild", "nobody")
    routers = {name: router(f"Host(`{name}.test`)") for name in hosts}
    routers |= {
        "v13": router("Host(`v13.test`)", options="v13"),
        "mtls": router("Host(`mtls.test`)", options="mtls"),
        "given": router("Host(`given.test`)", options="given"),
        "any": router("Host(`any.test`)", options="any"),
        "broken": router("Host(`broken.test`)", options="broken"),
        "one": router("Host(`two.test`)", options="v13"),
        "other": router("Host(`two.test`) && PathPrefix(`/other`)"),
        "address": router("PathPrefix(`/address`)"),
        "plain": {"rule": "Host(`plain.test`)", "service": "a", "entryPoints": ["web"]},
    }
    return {
        "http": {"routers": routers, "services": {"a": balancer(urls["a"])}},
        "tls": {
            "certificates": [
                pem("exact.test"),
                pem("*.wild.test"),
                pem("sub.wild.test"),
                pem("127.0.0.1"),
                pem("v13.test", "m2.test", "mtls.test", "given.test", "any.test", "two.test", "broken.test"),
            ],
            "stores": {"default": {"defaultCertificate": pem("default.test")}},
            "options": {
                "v13": {"minVersion": "VersionTLS13"},
                "mtls": {"clientAuth": {"caFiles": [authority], "clientAuthType": "RequireAndVerifyClientCert"}},
                "given": {"clientAuth": {"caFiles": [authority], "clientAuthType": "VerifyClientCertIfGiven"}},
                "any": {"clientAuth": {"clientAuthType": "RequireAnyClientCert"}},
                "broken": {"cipherSuites": ["TLS_NO_SUCH"]},
            },
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, STATIC, ["a"]) as stage:
        yield stage


@define
class Seen:
    """What a client met with: the names of the certificate, and an answer or the reason why there is none."""

    names: Sequence[str] = ()
    answer: bytes = b""
    error: str = ""
    version: str = ""
    resumed: bool = False
    session: ssl.SSLSession | None = None

    @property
    def status(self) -> int:
        return int(self.answer[9:12]) if self.answer else 0


def client(
    *, version: ssl.TLSVersion | None = None, certificate: trustme.LeafCert | None = None, alpn: Sequence[str] = ()
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def visit(
    stage: Stage,
    name: str | None,
    *,
    host: str | None = None,
    path: str = "/",
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
    **settings,
) -> Seen:
    """One GET over TLS. The host is the server name unless it is said."""
    request = head(f"GET {path} HTTP/1.1", f"Host: {host or name or 'x'}", "Connection: close")
    port = stage.gateway.port("web")
    return await asyncio.to_thread(_visit, port, name, request, context or client(**settings), session)


def _visit(port: int, name: str | None, request: bytes, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Seen:
    seen = Seen()
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname=name, session=session) as tls,
        ):
            shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
            alternatives = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            seen.names = [str(alternative.value) for alternative in alternatives]
            seen.version, seen.resumed = tls.version() or "", bool(tls.session_reused)
            tls.sendall(request)
            while data := tls.recv(65536):
                seen.answer += data
            seen.session = tls.session
    except (ssl.SSLError, OSError) as error:
        seen.error = str(error).upper().replace(" ", "_")
    return seen


@pytest.mark.spec("R-84")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("exact.test", "exact.test"),
        ("EXACT.test", "exact.test"),
        ("sub.wild.test", "sub.wild.test"),
        ("a.wild.test", "*.wild.test"),
        ("a.b.wild.test", "default.test"),
    ],
)
async def test_the_certificate_is_the_one_for_the_name(stage, name, shown):
    seen = await visit(stage, name)
    assert (seen.names, seen.status) == ([shown], 200)


@pytest.mark.spec("R-85")
async def test_without_a_name_the_certificate_is_the_one_for_the_address(stage):
    seen = await visit(stage, None, path="/address")
    assert (seen.names, seen.status) == (["127.0.0.1"], 200)


@pytest.mark.spec("R-87")
async def test_an_unknown_name_gets_the_default_certificate_and_a_404(stage):
    seen = await visit(stage, "unknown.test")
    assert (seen.names, seen.status) == (["default.test"], 404)


@pytest.mark.spec("R-88")
async def test_options_are_those_of_the_host(stage):
    seen = await visit(stage, "v13.test", version=V12)
    assert "ALERT_PROTOCOL_VERSION" in seen.error
    assert (await visit(stage, "v13.test", version=V13)).status == 200
    assert (await visit(stage, "exact.test", version=V12)).version == "TLSv1.2"


@pytest.mark.spec("R-89")
async def test_a_client_certificate_is_demanded_and_verified_as_the_options_say(stage):
    right, foreign = CA.issue_cert("client.test"), trustme.CA().issue_cert("client.test")

    assert "CERTIFICATE_REQUIRED" in (await visit(stage, "mtls.test")).error
    assert "UNKNOWN_CA" in (await visit(stage, "mtls.test", certificate=foreign)).error
    assert (await visit(stage, "mtls.test", certificate=right)).status == 200

    assert (await visit(stage, "given.test")).status == 200
    assert (await visit(stage, "given.test", certificate=right)).status == 200
    assert "UNKNOWN_CA" in (await visit(stage, "given.test", certificate=foreign)).error

    assert "CERTIFICATE_REQUIRED" in (await visit(stage, "any.test")).error
    assert (await visit(stage, "any.test", certificate=foreign)).status == 200


@pytest.mark.spec("R-90")
async def test_broken_options_close_their_own_names_without_an_alert(stage):
    seen = await visit(stage, "broken.test")
    assert seen.error
    assert "ALERT" not in seen.error
    assert (await visit(stage, "exact.test")).status == 200


@pytest.mark.spec("R-91")
async def test_a_host_with_other_options_than_the_connections_is_misdirected(stage):
    seen = await visit(stage, "exact.test", host="v13.test")
    assert seen.status == 421
    assert seen.answer.endswith(b"\r\n\r\nMisdirected Request\n")
    assert (await visit(stage, "exact.test", host="m2.test")).status == 200
    assert (await visit(stage, "exact.test", host="unknown.test")).status == 404


@pytest.mark.spec("R-92")
async def test_a_host_with_two_minds_about_its_options_uses_the_default(stage):
    assert (await visit(stage, "two.test", version=V12)).status == 200
    assert (await visit(stage, "two.test", version=V12, path="/other")).status == 200


@pytest.mark.spec("R-93")
async def test_routers_serve_either_plaintext_or_tls(stage):
    assert (await stage.get(host="exact.test")).status == 404
    assert (await stage.get(host="plain.test")).status == 200
    seen = await visit(stage, "plain.test")
    assert (seen.names, seen.status) == (["default.test"], 404)


async def test_a_server_learns_that_its_client_came_over_tls(stage):
    await visit(stage, "exact.test")
    assert stage["a"].last.get("x-forwarded-proto") == "https"
    assert stage["a"].last.get("x-forwarded-port") == "443"


async def test_protocols_that_nobody_speaks_are_refused(stage):
    assert "NO_APPLICATION_PROTOCOL" in (await visit(stage, "exact.test", alpn=["smtp"])).error
    assert (await visit(stage, "exact.test", alpn=["smtp", "http/1.1"])).status == 200


async def test_what_begins_like_tls_and_is_garbage_does_no_harm(stage):
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x16" + bytes(2000)):
        async with stage.connect() as raw:
            await raw.send(garbage)
            raw.send_eof()
            await raw.rest()
    assert (await visit(stage, "exact.test")).status == 200


@pytest.mark.parametrize("version", [V12, V13])
async def test_big_bodies_pass_both_ways(stage, version):
    body = bytes(range(256)) * 20_000
    request = head("POST / HTTP/1.1", "Host: exact.test", f"Content-Length: {len(body)}", "Connection: close") + body
    stage["a"].requests.clear()
    seen = await asyncio.to_thread(_visit, stage.gateway.port("web"), "exact.test", request, client(version=version), None)
    assert seen.status == 200
    assert stage["a"].last.body == body


@pytest.mark.spec("R-86")
async def test_strict_names_are_recognized_or_refused():
    def strict(urls):
        routers = {"r": router("Host(`exact.test`)")}
        return {
            "http": {"routers": routers, "services": {"a": balancer(urls["a"])}},
            "tls": {"certificates": [pem("exact.test")], "options": {"default": {"sniStrict": True}}},
        }

    async with staged(strict, STATIC, ["a"]) as stage:
        assert "UNRECOGNIZED_NAME" in (await visit(stage, "unknown.test")).error
        assert "UNRECOGNIZED_NAME" in (await visit(stage, None)).error
        assert (await visit(stage, "exact.test")).status == 200


@pytest.mark.parametrize("version", [V12, V13])
async def test_any_worker_resumes_the_sessions_of_any_other_and_none_crosses_options(version):
    async with staged(dynamic, STATIC, ["a"], workers=2) as stage:
        context = client(version=version)
        first = await visit(stage, "exact.test", context=context)
        assert first.session is not None
        for _ in range(12):  # both workers take some
            again = await visit(stage, "exact.test", context=context, session=first.session)
            assert (again.status, again.resumed) == (200, True)

        crossed = await visit(stage, "given.test", context=context, session=first.session)
        assert (crossed.status, crossed.resumed) == (200, False)


async def test_connections_over_tls_are_drained_like_any_other():
    async with staged(dynamic, STATIC, ["a"]) as stage, stage.connect() as silent:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", stage.gateway.port("web"), ssl=client(), server_hostname="exact.test"
        )
        writer.write(head("GET / HTTP/1.1", "Host: exact.test"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"a"

        assert await stage.gateway.stop() == 0

        assert await reader.read() == b""
        assert await closed(silent)
        writer.close()


@pytest.mark.real("openssl")
async def test_a_client_cannot_renegotiate(stage):
    where = f"127.0.0.1:{stage.gateway.port('web')}"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", where, "-servername", "exact.test", "-tls1_2"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readuntil(b"Extended master secret")
    process.stdin.write(b"R\n")
    async with asyncio.timeout(10):
        said = await process.stdout.read()
        await process.wait()
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said
    assert (await visit(stage, "exact.test")).status == 200
