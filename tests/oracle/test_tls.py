"""Certificate and options by name, client certificates, alerts, and which router TLS reaches (routing.md 4.3, 8)."""

import asyncio
import socket
import ssl

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, PIPE, answer

from .certificates import authority_pem, client_file, pair
from .harness import ANSWER, ORACLE, REST, Hello, Told, arena_of, balancer, both_agree, case, get

pytestmark = [*ORACLE, pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")]

V10, V11, V12, V13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc", "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nhello"
CLIENT_AUTH = {
    "none": {"clientAuthType": "NoClientCert"},
    "request": {"clientAuthType": "RequestClientCert"},
    "any": {"clientAuthType": "RequireAnyClientCert"},
    "given": {"clientAuthType": "VerifyClientCertIfGiven", "caFiles": [authority_pem()]},
    "verified": {"clientAuthType": "RequireAndVerifyClientCert", "caFiles": [authority_pem()]},
    "implied": {"caFiles": [authority_pem()]},
}


def asked(name, sni, *, host=None, path="/", lines=(), probe=True, **hello):
    """One GET over TLS; the host is the server name unless it is said."""
    return case(f"tls/{name}", get(path, host or sni or "127.0.0.1", *lines), probe=probe, hello=Hello(sni, **hello))


CASES = [
    asked("exact", "exact.test"),
    asked("upper-case", "EXACT.test", host="exact.test"),
    asked("wildcard", "a.wild.test"),
    asked("exact-before-wildcard", "sub.wild.test"),
    asked("wildcard-is-one-label", "a.b.wild.test"),
    asked("second-name-of-a-certificate", "other.exact.test"),
    asked("no-name-but-address", None, host="exact.test"),
    asked("unknown-name", "nobody.test"),
    asked("unknown-name-known-host", "nobody.test", host="exact.test"),
    asked("name-without-certificate", "bare.test"),
    asked("path-only", "nobody.test", path="/anywhere"),
    asked("no-tls-on-router", "plain.test"),
    case("tls/plaintext-on-tls-router", get("/", "exact.test")),
    case("tls/plaintext-on-plain-router", get("/", "plain.test")),
    asked("same-name-both-ways", "both.test"),
    case("tls/plaintext-same-name", get("/", "both.test")),
    asked("forwarded-port-of-host", "exact.test", host="exact.test:8443"),
    asked("forwarded-from-client", "exact.test", lines=("X-Forwarded-Proto: http", "X-Forwarded-Port: 1")),
    asked("websocket-refused", "exact.test", lines=WEBSOCKET),
    case(
        "tls/websocket",
        [get("/", "exact.test", *WEBSOCKET), ANSWER, b"ping", 4, b"x" * 100_000, 100_000],
        [SWITCH, PIPE],
        probe=False,
        hello=Hello("exact.test"),
    ),
    case("tls/two-in-one-record", [get("/1", "exact.test") * 2, ANSWER, ANSWER], hello=Hello("exact.test")),
    case("tls/large", get("/", "exact.test"), answer(200, {}, b"x" * 3_000_000), hello=Hello("exact.test")),
    case("tls/large-upload", get("/", "exact.test", method="POST", body=b"y" * 3_000_000), hello=Hello("exact.test")),
    case("tls/server-closes", get("/", "exact.test"), [UNTIL_CLOSE, CLOSE], hello=Hello("exact.test")),
    case("tls/asks-to-close", [get("/", "exact.test", "Connection: close"), ANSWER, REST], hello=Hello("exact.test")),
    # versions and suites
    asked("version-12", "exact.test", highest=V12),
    asked("version-13", "exact.test", lowest=V13),
    asked("version-11", "exact.test", lowest=V10, highest=V11),
    asked("13-asked-by-12", "v13.test", highest=V12),
    asked("13-asked-by-13", "v13.test"),
    asked("12-at-most", "v12.test"),
    asked("12-at-most-asked-by-13", "v12.test", lowest=V13),
    asked("11-allowed", "v10.test", lowest=V11, highest=V11),
    asked("suite", "suite.test", highest=V12, cipher=True),
    asked("suite-does-not-bind-13", "suite.test"),
    asked("rsa-suite-only", "rsasuite.test", highest=V12),
    asked("curve", "curve.test"),
    # protocols
    asked("alpn-http11", "exact.test", alpn=["http/1.1"]),
    asked("alpn-unknown-and-http11", "exact.test", alpn=["foo", "http/1.1"]),
    asked("alpn-unknown", "exact.test", alpn=["foo"]),
    asked("alpn-http10", "exact.test", alpn=["http/1.0"]),
    asked("alpn-only-http11-offered", "only11.test", alpn=["h2", "http/1.1"]),
    asked("alpn-only-http11-asked-h2", "only11.test", alpn=["h2"]),
    asked("alpn-acme", "exact.test", alpn=["acme-tls/1"]),
    # strict names
    asked("strict-known", "strict.test"),
    asked("strict-name-without-certificate", "strictbare.test"),
    # domain fronting
    asked("fronting-other-options", "exact.test", host="v13.test"),
    asked("fronting-other-options-back", "v13.test", host="exact.test"),
    asked("fronting-same-options", "exact.test", host="a.wild.test"),
    asked("fronting-same-named-options", "v13.test", host="v13too.test"),
    asked("fronting-unknown-host", "exact.test", host="nobody.test"),
    asked("fronting-path-only", "v13.test", host="nobody.test", path="/anywhere"),
    asked("fronting-without-name", None, host="v13.test"),
    asked("fronting-regexp", "exact.test", host="re.test"),
    # options that are not
    asked("unknown-options", "lost.test"),
    asked("unknown-options-over-other-name", "exact.test", host="lost.test"),
    asked("broken-options", "broken.test"),
    asked("broken-client-auth", "brokenauth.test"),
    # two routers, one host, two options
    asked("conflict", "twice.test", highest=V12),
    asked("conflict-other-path", "twice.test", path="/deep", highest=V12),
    asked("options-on-a-rule-without-host", "nobody.test", path="/hostless", highest=V12),
    # client certificates
    *(
        asked(f"auth-{kind}-{word}", f"{kind}.test", certificate=file)
        for kind in CLIENT_AUTH
        for word, file in (("without", None), ("with", client_file()), ("foreign", client_file("theirs")))
    ),
    asked("auth-verified-without-in-12", "verified.test", highest=V12),
    asked("auth-verified-foreign-in-12", "verified.test", highest=V12, certificate=client_file("theirs")),
    asked("auth-around-the-guard", "exact.test", host="verified.test"),
]


def resumption(name, sni, then=None, version=V13):
    """Whether a second connection may resume the session of the first."""

    async def story(arena, running):
        arena.upstream.answers(*[[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]] * 2)
        return await asyncio.to_thread(again, running.port())

    def again(port):
        context = Hello(sni, lowest=version, highest=version).context()
        aspects, session = {}, None
        for number, server_name in enumerate((sni, then or sni), 1):
            with (
                socket.create_connection(("127.0.0.1", port), 8) as raw,
                context.wrap_socket(raw, server_hostname=server_name, session=session) as secured,
            ):
                secured.sendall(get("/", server_name, "Connection: close"))
                answer = b""
                while more := secured.recv(65536):
                    answer += more
                aspects |= {f"{number}.status": answer[9:12], f"{number}.resumed": secured.session_reused}
                session = secured.session
        return aspects

    return Told(f"tls/resumption-{name}", story)


SESSIONS = [
    resumption("13", "exact.test"),
    resumption("12", "exact.test", version=V12),
    resumption("without-tickets", "ticketless.test"),
    resumption("without-tickets-12", "ticketless.test", version=V12),
]


def dynamic(url, closed):
    options = {
        "v13": {"minVersion": "VersionTLS13"},
        "v12": {"maxVersion": "VersionTLS12"},
        "v10": {"minVersion": "VersionTLS10"},
        "suite": {"cipherSuites": ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]},
        "rsasuite": {"cipherSuites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]},
        "curve": {"curvePreferences": ["CurveP384"]},
        "only11": {"alpnProtocols": ["http/1.1"]},
        "strict": {"sniStrict": True},
        "ticketless": {"disableSessionTickets": True},
        "broken": {"cipherSuites": ["TLS_NO_SUCH_SUITE"]},
        "brokenauth": {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}},
        **{kind: {"clientAuth": settings} for kind, settings in CLIENT_AUTH.items()},
    }
    hosts = {
        "exact.test": None,
        "other.exact.test": None,
        "bare.test": None,
        "both.test": None,
        "v13too.test": "v13",
        "lost.test": "nowhere",
        "strictbare.test": "strict",
        **{f"{name}.test": name for name in options},
    }
    routers = {
        name.replace(".", "-"): {"rule": f"Host(`{name}`)", "tls": {"options": given} if given else {}}
        for name, given in hosts.items()
    }
    routers |= {
        "wild": {"rule": "Host(`*.wild.test`)", "tls": {}},
        "plain": {"rule": "Host(`plain.test`) || Host(`both.test`)"},
        "path": {"rule": "Path(`/anywhere`)", "tls": {}},
        "hostless": {"rule": "Path(`/hostless`)", "tls": {"options": "v13"}},
        "regexp": {"rule": "HostRegexp(`^re\\.test$`)", "tls": {"options": "v13"}},
        "twice": {"rule": "Host(`twice.test`)", "tls": {"options": "v13"}},
        "twice-deep": {"rule": "Host(`twice.test`) && Path(`/deep`)", "tls": {}},
    }
    certificates = [
        pair("exact.test", "other.exact.test"),
        pair("*.wild.test"),
        pair("sub.wild.test"),
        pair("127.0.0.1"),
        pair("strict.test"),
        pair("suite.test"),
    ]
    services = {"echo": balancer(url)}
    http = {"routers": {name: {**router, "service": "echo"} for name, router in routers.items()}, "services": services}
    return {"http": http, "tls": {"options": options, "certificates": certificates}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_agree_on_tls(arena, case):
    await arena.compare(case)


@both_agree(SESSIONS)
async def test_both_resume_sessions_alike(arena, case):
    await arena.compare(case)


DEFAULTS = [
    asked("default/known", "known.test"),
    asked("default/unknown-name", "nobody.test"),
    asked("default/no-name", None, host="known.test"),
    asked("default/own-version", "known.test", highest=V12),
    case(
        "tls/default/two-requests",
        [get("/1", "known.test"), ANSWER, get("/2", "known.test"), ANSWER],
        hello=Hello("known.test"),
    ),
]
STRICT = [
    asked("strict/known", "known.test"),
    asked("strict/unknown-name", "nobody.test"),
    asked("strict/no-name", None, host="known.test"),
    asked("strict/unknown-name-in-12", "nobody.test", highest=V12),
]


def with_default_certificate(url, closed):
    routers = {"known": {"rule": "Host(`known.test`)", "tls": {}, "service": "echo"}}
    stores = {"default": {"defaultCertificate": pair("default.test")}}
    tls = {"certificates": [pair("known.test")], "stores": stores, "options": {"default": {"minVersion": "VersionTLS13"}}}
    return {"http": {"routers": routers, "services": {"echo": balancer(url)}}, "tls": tls}


def with_strict_names(url, closed):
    routers = {"known": {"rule": "Host(`known.test`)", "tls": {}, "service": "echo"}}
    tls = {"certificates": [pair("known.test")], "options": {"default": {"sniStrict": True}}}
    return {"http": {"routers": routers, "services": {"echo": balancer(url)}}, "tls": tls}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def default_arena():
    async with arena_of(with_default_certificate) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict_arena():
    async with arena_of(with_strict_names) as arena:
        yield arena


@both_agree(DEFAULTS)
async def test_both_agree_on_the_default_certificate_and_options(default_arena, case):
    await default_arena.compare(case)


@both_agree(STRICT)
async def test_both_agree_on_strict_names(strict_arena, case):
    await strict_arena.compare(case)
