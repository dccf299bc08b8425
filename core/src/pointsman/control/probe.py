"""One probe of one server (routing.md §5.4): a connection of its own, at most ten redirects, no body.

HTTP/1 is aiohttp's; what can only be asked over HTTP/2 (`h2c://` servers, gRPC) is asked by `probe_http2.py`.
"""

import asyncio
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pointsman.control.checks import Check
from pointsman.control.probe_http2 import Http2Questions
from pointsman.control.rounds import LIMIT
from pointsman.errors import GatewayError
from pointsman.message import Headers
from pointsman.upstream.transport import TransportSettings

MAX_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
OF_ONE_ORIGIN: Final = frozenset(("host", "authorization", "cookie"))
"""Headers that are not carried to another origin."""
_CONTEXT: Final = re.compile(r" ssl:(?:<[^>]*>|\S+)")
"""What aiohttp's errors say of the SSLContext, which helps nobody."""
_WRITTEN: Final = re.compile(r"[!-~]*")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


class Failed(Exception):
    """The server is not healthy; says why."""


class Lookups(AbstractResolver):
    """Names to addresses, in threads of its own: a name server that is slow for some must not make all others late."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LIMIT, "health-check-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class HttpProbe:
    """Probes servers. `start` first; `aclose` is safe without it, and twice."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._http2 = Http2Questions()

    async def start(self) -> None:
        # A probe that arrives by a new connection also shows that the server accepts them.
        connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False, resolver=Lookups())
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __call__(self, check: Check, url: str) -> None:
        """Return if the server is healthy; Failed if it is not."""
        try:
            async with asyncio.timeout(check.timeout):
                if check.config.mode == "grpc":
                    await self._http2.serving(check.transport, probe_url(check, url), probe_headers(check))
                    return
                status = await self._status(check, url)
        except TimeoutError:
            raise Failed(f"no answer within {check.timeout:g} s") from None
        except (aiohttp.ClientError, GatewayError, OSError, ValueError) as error:
            raise Failed(_CONTEXT.sub("", " ".join(str(error).split())) or type(error).__name__) from error
        wanted = check.config.status
        if status != wanted if wanted else not 200 <= status < 400:
            raise Failed(f"status {status}, which is not {wanted or 'in 200-399'}")

    async def _status(self, check: Check, server: str) -> int:
        """The status of the last answer."""
        if self._session is None:
            raise RuntimeError("this probe has not been started")
        config, transport = check.config, check.transport
        url = probe_url(check, server)
        only_http2 = url.origin() if speaks_h2c(check, server) else None
        headers = probe_headers(check)
        if "authorization" in headers:
            url = url.with_user(None)
        method = config.method or "GET"
        for _ in range(MAX_REDIRECTS + 1):
            if url.origin() == only_http2:
                status, location = await self._http2.status(transport, url, method, headers)
            else:
                status, location = await self._ask(transport, url, method, headers)
            if not config.follow_redirects or status not in REDIRECTS or not location:
                return status
            before, url = url, url.join(_url(location))
            if url.origin() != before.origin():
                headers = {name: value for name, value in headers.items() if name not in OF_ONE_ORIGIN}
            if status in (301, 302, 303) and method not in ("GET", "HEAD"):
                method = "GET"
        raise Failed(f"more than {MAX_REDIRECTS} redirects")

    async def _ask(
        self, transport: TransportSettings, url: URL, method: str, headers: Mapping[str, str]
    ) -> tuple[int, str | None]:
        """The status over HTTP/1, and where it points."""
        assert self._session is not None
        response = await self._session.request(
            method,
            url,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=transport.dial_timeout or None),
            ssl=transport.tls.context("http/1.1"),
            server_hostname=transport.tls.name_for(url.raw_host or "") if url.scheme == "https" else None,
        )
        response.close()  # with what there is of its body
        return response.status, response.headers.get("Location")


def probe_url(check: Check, server: str) -> URL:
    """What to ask of this server: `path` is a reference relative to its URL. ValueError if it is none."""
    config = check.config
    parts = urlsplit(config.path)
    if parts.scheme or parts.netloc:
        raise ValueError(f"the path {config.path!r} is an absolute URL; write it relative to the server's, such as /health")
    if bad := _BAD_ESCAPE.search(parts.path):
        raise ValueError(f"the path {config.path!r} holds {bad[0]!r}, which is no escape; write %25 for a percent sign")
    scheme = _scheme(check, server)
    if scheme not in ("http", "https", "h2c"):
        raise ValueError(f"cannot probe over {scheme!r}, only over http, https or h2c; set healthCheck.scheme")
    server = re.sub(r"\Ah2c:", "http:", server)  # which is known to have paths
    url = _url(urljoin(server, config.path)).with_fragment(None).with_scheme("https" if scheme == "https" else "http")
    return url.with_port(config.port) if config.port else url


def _url(text: str) -> URL:
    """As it is written, every escape of it; only what cannot stand in a URL is escaped."""
    return URL(text, encoded=_WRITTEN.fullmatch(text) is not None)


def speaks_h2c(check: Check, server: str) -> bool:
    """Whether this server is asked over HTTP/2 without TLS."""
    return _scheme(check, server) == "h2c"


def _scheme(check: Check, server: str) -> str:
    return check.config.scheme.lower() or urlsplit(server).scheme


def probe_headers(check: Check) -> dict[str, str]:
    """Lower-case names; a Host among them does not count. ValueError for what is no header."""
    config = check.config
    headers = {"user-agent": "pointsman-healthcheck"}
    headers |= {name.lower(): value for name, value in config.headers.items() if name.lower() != "host"}
    if config.hostname:
        headers["host"] = config.hostname
    checked = Headers()
    for name, value in headers.items():
        checked.add(name.encode(), value.encode())
    return headers
