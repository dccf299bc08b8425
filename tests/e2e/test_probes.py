"""Single probes over real sockets: what is asked, what counts as healthy, which transport is used (routing.md §5.4)."""

import asyncio
import resource
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pointsman.config.http_model import HealthCheck
from pointsman.control.checks import Check
from pointsman.control.probe import Failed, HttpProbe, probe_url
from pointsman.net.client_tls import ClientTls
from pointsman.testing import RESET, Upstream, answer, refusing
from pointsman.testing import upstream as an_upstream
from pointsman.upstream.transport import TransportSettings
from pointsman.values import Duration

WELL_TEST = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkmaPWVfYOApPe0sw
oNgPrKcaqI1o1ZrG3CN1gJBH/syhRANCAARxOjHg1Zs+WJKmmVzlcQ2CWQ56Ca06
eGkbxMEVa2paSNS63PSnMt2fGMUmTjQZuw5oeSqik6uf9K8HiJNpYtAh
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUeMFSKq9drYN7y/JtRmJOY9Ux/OMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJd2VsbC50ZXN0MCAXDTI2MTEyMzAzMjU0M1oYDzIxMjYxMDMw
MDMyNTQzWjAUMRIwEAYDVQQDDAl3ZWxsLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARxOjHg1Zs+WJKmmVzlcQ2CWQ56Ca06eGkbxMEVa2paSNS63PSnMt2f
GMUmTjQZuw5oeSqik6uf9K8HiJNpYtAho2kwZzAdBgNVHQ4EFgQUj4p0s7zQE2El
LZRloM4Yaf96PXMwHwYDVR0jBBgwFoAUj4p0s7zQE2ElLZRloM4Yaf96PXMwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALggl3ZWxsLnRlc3QwCgYIKoZIzj0EAwID
SAAwRQIhAM8q+cyaJsYXUJLo7PYcYmkCgD3TFZCPr0QWSg46NkjNAiAlGTuL/7bb
cKguAAX6Tnx/W9NZIl/u84Lb+JQwQ1opHA==
-----END CERTIFICATE-----
"""


def check(path: str = "/hz", transport: TransportSettings | None = None, **options: Any) -> Check:
    config = HealthCheck(path=path, **{"timeout": Duration(5.0), **options})
    return Check("s@file", (), config, transport or TransportSettings())


@pytest.fixture
async def probe() -> AsyncIterator[HttpProbe]:
    probe = HttpProbe()
    await probe.start()
    yield probe
    await probe.aclose()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A certificate for well.test that signed itself, and its key, in one file."""
    file = tmp_path / "well.pem"
    file.write_text(WELL_TEST)
    return file


@pytest.mark.parametrize(
    ("server", "path", "options", "expected"),
    [
        ("http://h/base", "/hz", {}, "http://h/hz"),
        ("http://h/base", "hz", {}, "http://h/hz"),
        ("http://h/base/", "hz", {}, "http://h/base/hz"),
        ("http://h/base", "", {}, "http://h/base"),
        ("http://h/base", "?deep=1", {}, "http://h/base?deep=1"),
        ("http://h", "/hz?a=b&c=%2F", {}, "http://h/hz?a=b&c=%2F"),
        ("http://h:81/", "/a b", {}, "http://h:81/a%20b"),
        ("http://h:81/x", "/hz", {"port": 9000}, "http://h:9000/hz"),
        ("http://[::1]:81/x", "/hz", {"port": 9000}, "http://[::1]:9000/hz"),
        ("http://h/x", "/hz", {"scheme": "https"}, "https://h/hz"),
        ("https://h/x", "/a/../hz#top", {"scheme": "HTTP"}, "http://h/hz"),
        ("http://h:81/x", "/hz", {"scheme": "https"}, "https://h:81/hz"),
        ("https://h/x", "/hz", {"scheme": "http", "port": 8080}, "http://h:8080/hz"),
        ("h2c://h:81/base", "hz", {}, "http://h:81/hz"),
        ("h2c://h:81/base", "/hz", {"scheme": "https"}, "https://h:81/hz"),
        ("http://h:81", "/hz", {"scheme": "h2c"}, "http://h:81/hz"),
    ],
)
def test_path_scheme_and_port_are_taken_relative_to_the_server(
    server: str, path: str, options: dict[str, Any], expected: str
) -> None:
    assert str(probe_url(check(path, **options), server)) == expected


@pytest.mark.spec("R-51")
@pytest.mark.parametrize("path", ["http://evil/x", "HTTPS://evil", "//evil/x", "mailto:x"])
def test_an_absolute_url_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="is an absolute URL; write it relative to the server's"):
        probe_url(check(path), "http://h")


def test_other_schemes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="cannot probe over 'ftp', only over http, https or h2c"):
        probe_url(check(scheme="ftp"), "http://h")


@pytest.mark.parametrize(("status", "wanted", "well"), [(200, 0, True), (399, 0, True), (400, 0, False), (503, 503, True)])
async def test_a_status_is_healthy_or_not(
    probe: HttpProbe, upstream: Upstream, status: int, wanted: int, well: bool
) -> None:
    upstream.answers(answer(status))
    asked = probe(check(status=wanted), upstream.url)
    if well:
        await asked
    else:
        with pytest.raises(Failed, match=f"^status {status}, which is not in 200-399$"):
            await asked


async def test_every_probe_comes_by_a_connection_of_its_own_and_leaves_the_body(
    probe: HttpProbe, upstream: Upstream
) -> None:
    upstream.answers([b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nabc", 30.0])
    for _ in range(3):
        await probe(check(), upstream.url)
    assert upstream.connections == 3
    assert upstream.last.get("user-agent") == "pointsman-healthcheck"


async def test_redirects_are_followed_ten_times_and_no_further(probe: HttpProbe, upstream: Upstream) -> None:
    def hop(request: Any) -> Any:
        left = int(request.target.rpartition(b"/")[2])
        return answer(302, {"Location": f"/hz/{left - 1}"}) if left else answer(204)

    upstream.answers(hop)
    await probe(check("/hz/10", status=204), upstream.url)
    with pytest.raises(Failed, match="more than 10 redirects"):
        await probe(check("/hz/11", status=204), upstream.url)
    await probe(check("/hz/11", status=302, follow_redirects=False), upstream.url)


async def test_a_redirect_that_says_not_where_is_the_answer(probe: HttpProbe, upstream: Upstream) -> None:
    upstream.answers(answer(302))
    await probe(check(), upstream.url)


async def test_host_and_secrets_are_not_carried_to_another_origin(probe: HttpProbe, upstream: Upstream) -> None:
    named = check(hostname="hc.host", method="POST", headers={"Authorization": "Basic eDp5", "X-Probe": "1"})
    async with upstream_that_redirects_to(f"{upstream.url}/there") as first:
        upstream.answers(answer(200))
        await probe(named, first.url)
        assert first.last.get("host") == "hc.host"
        assert first.last.get("authorization") == "Basic eDp5"
    assert upstream.last.get("host") == upstream.url.removeprefix("http://")
    assert upstream.last.get("authorization") is None
    assert upstream.last.get("x-probe") == "1"
    assert upstream.last.method == b"GET", "as everybody does after a 302"
    async with upstream_that_redirects_to("/hz/here") as near:
        await probe(named, near.url)
        assert near.last.target == b"/hz/here"
        assert near.last.get("host") == "hc.host"


def upstream_that_redirects_to(place: str) -> Any:
    return an_upstream(answer(302, {"Location": place}), answer(200))


@pytest.mark.parametrize("location", ["ftp://h/x", "http://", "http://h:99999/"])
async def test_a_redirect_to_nowhere_is_a_failure(probe: HttpProbe, upstream: Upstream, location: str) -> None:
    upstream.answers(answer(302, {"Location": location}))
    with pytest.raises(Failed):
        await probe(check(), upstream.url)


async def test_whoever_refuses_resets_or_talks_nonsense_is_not_healthy(probe: HttpProbe, upstream: Upstream) -> None:
    with refusing() as port, pytest.raises(Failed) as refused:
        await probe(check(), f"http://127.0.0.1:{port}")
    assert str(refused.value) == f"Cannot connect to host 127.0.0.1:{port} [Connect call failed ('127.0.0.1', {port})]"
    for script in ([RESET], [b"nonsense\r\n\r\n"], [b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000]):
        upstream.answers(script)
        with pytest.raises(Failed) as failed:
            await probe(check(), upstream.url)
        assert "\n" not in str(failed.value)


class Flood:
    """A server that answers with a beginning, and then with the same over and over, as fast as it is read."""

    def __init__(self, begin: bytes, more: bytes) -> None:
        self._begin = begin
        self._more = more * (65536 // len(more) + 1)
        self.over = asyncio.Event()
        """Nobody reads any more."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._begin)
            while True:
                writer.write(self._more)
                await writer.drain()
        writer.transport.abort()
        self.over.set()


@pytest.mark.parametrize(
    ("begin", "more", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", "Too many headers"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x", "more than 8190 bytes"),
        (b"", b"x", "400"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", "no answer within"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", b"x", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", ""),
    ],
)
async def test_an_answer_without_end_is_read_no_further_than_its_head(
    probe: HttpProbe, begin: bytes, more: bytes, reason: str
) -> None:
    flood = Flood(begin, more)
    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    asked = probe(check(timeout=Duration(0.3)), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if reason:
        with pytest.raises(Failed, match=reason):
            await asked
    else:
        await asked
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, "KiB"
    async with asyncio.timeout(5):
        await flood.over.wait()
    server.close()


async def test_whoever_takes_too_long_is_not_healthy(probe: HttpProbe, upstream: Upstream) -> None:
    upstream.answers([b"HTTP/1.1 200", 30.0])
    with pytest.raises(Failed, match=r"^no answer within 0\.1 s$"):
        await probe(check(timeout=Duration(0.1)), upstream.url)


@pytest.mark.parametrize(
    "options",
    [{"method": "G T"}, {"headers": {"X": "a\r\nb"}}, {"headers": {"X Y": "a"}}, {"port": 99999}, {"path": "/%zz"}],
)
async def test_what_cannot_be_asked_is_a_failure(probe: HttpProbe, upstream: Upstream, options: dict[str, Any]) -> None:
    with pytest.raises(Failed):
        await probe(check(**options), upstream.url)
    assert not upstream.requests


async def test_a_server_url_with_a_user_asks_as_that_user(probe: HttpProbe, upstream: Upstream) -> None:
    url = upstream.url.replace("//", "//me:secret@")
    await probe(check(), url)
    assert upstream.last.get("authorization") == "Basic bWU6c2VjcmV0"
    await probe(check(headers={"Authorization": "Bearer t"}), url)
    assert upstream.last.get_all("authorization") == ["Bearer t"]


async def test_tls_is_verified_as_the_transport_says(probe: HttpProbe, files: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files)
    files_of = [str(files)]
    async with an_upstream(answer(200), tls=tls) as secure:
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
            await probe(check(), secure.url)
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
            await probe(check(transport=TransportSettings(tls=ClientTls(authorities=files_of))), secure.url)
        await probe(check(transport=TransportSettings(tls=ClientTls("well.test", authorities=files_of))), secure.url)
        await probe(check(transport=TransportSettings(tls=ClientTls(skip_verify=True))), secure.url)
        plain = secure.url.replace("https", "http")
        await probe(check(scheme="https", transport=TransportSettings(tls=ClientTls(skip_verify=True))), plain)


async def test_slow_names_do_not_make_others_late(
    probe: HttpProbe, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, over = socket.getaddrinfo, threading.Event()

    def lookup(host: str, *options: Any) -> Any:
        if host == "slow.test":
            over.wait()
        return found("127.0.0.1" if host.endswith(".test") else host, *options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    slow = [asyncio.ensure_future(probe(check(), "http://slow.test:1")) for _ in range(40)]
    await asyncio.sleep(0)
    await probe(check(timeout=Duration(1.0)), f"http://quick.test:{upstream.port}")
    over.set()
    assert all(isinstance(end, Failed) for end in await asyncio.gather(*slow, return_exceptions=True))


async def test_a_name_that_nobody_knows_is_a_failure(probe: HttpProbe, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Failed, match="Name or service not known"):
        await probe(check(), "http://nobody.test")


async def test_it_says_so_when_it_was_not_started() -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        await HttpProbe()(check(), "http://127.0.0.1:1")
    await HttpProbe().aclose()
