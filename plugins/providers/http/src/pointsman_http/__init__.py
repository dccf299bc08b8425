"""Configuration from an HTTP endpoint that is polled (providers.md §2.2).

A body is looked at once: while the endpoint gives the same one, what it said, or what was wrong with it, stands.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from attrs import field, frozen
from yarl import URL

from pointsman import Duration, Provider, ProviderContext, Publish, Secret, Url, hookimpl, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.dialect.collectors import sent_headers
from pointsman.errors import ConfigError, Problem
from pointsman_http.endpoint import DEFAULT_MAX_BYTES, Endpoint, shown

LONGEST_SECONDS: Final = 60.0
"""What a poll may take where `pollTimeout` is 0."""


@frozen
class HttpConfig:
    endpoint: Url = option(default=Url(""), help="The URL to fetch")
    poll_interval: Duration = option(default=Duration(5.0), help="Time between two polls")
    poll_timeout: Duration = option(default=Duration(5.0), help="How long a poll may take as a whole")
    headers: dict[str, Secret] = field(factory=dict, repr=False)
    tls: ExporterTLS | None = None
    max_response_body_size: int = option(default=-1, help="How many bytes an answer may have; -1: 64 MiB")


class Http:
    """A document that an HTTP server gives"""

    name: ClassVar[str] = "http"
    Config: ClassVar[type] = HttpConfig

    def __init__(self, config: HttpConfig, context: ProviderContext) -> None:
        self._endpoint = _endpoint(config)
        self._interval = config.poll_interval
        self._context = context
        self._wake = asyncio.Event()
        self._digest = b""
        self._document: Mapping[str, Any] = {}
        self._problems: Sequence[Problem] = ()

    def __repr__(self) -> str:
        return f"<Http {shown(self._endpoint.url)}>"

    def refresh(self) -> None:
        """Poll at once."""
        self._wake.set()

    async def provide(self, publish: Publish) -> None:
        async with self._endpoint.session() as session:
            while True:
                self._wake.clear()
                await self._take(await self._endpoint.fetch(session))
                publish(self._document, self._problems)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._wake.wait()

    async def _take(self, body: bytes) -> None:
        digest = hashlib.blake2b(body, digest_size=16).digest()
        if digest == self._digest:
            return
        try:
            self._document, self._problems = await asyncio.to_thread(
                self._context.from_yaml, body, shown(self._endpoint.url)
            )
        except ConfigError as error:
            self._problems = error.problems
        self._digest = digest


def _endpoint(config: HttpConfig) -> Endpoint:
    path = "providers.http"
    try:
        url = URL(config.endpoint.strip())
        usable = url.scheme in ("http", "https") and url.host is not None and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        came = "is missing" if not config.endpoint else "is no URL"
        raise ConfigError(Problem(f"{path}.endpoint", f"{came}; write it as http://host:port/path"))
    if config.poll_interval <= 0:
        raise ConfigError(Problem(f"{path}.pollInterval", f"must be more than 0, got {config.poll_interval:g}s"))
    if config.poll_timeout < 0:
        raise ConfigError(Problem(f"{path}.pollTimeout", f"must not be negative, got {config.poll_timeout:g}s"))
    sent_headers(config.headers, f"{path}.headers")
    if url.user is not None and any(name.lower() == "authorization" for name in config.headers):
        message = "says how to log in, and so does the endpoint with its user; keep one of the two"
        raise ConfigError(Problem(f"{path}.headers.Authorization", message))
    return Endpoint(
        url,
        {name: value.strip() for name, value in config.headers.items()},
        config.tls.settings(f"{path}.tls").context() if config.tls is not None else None,
        config.poll_timeout or LONGEST_SECONDS,
        DEFAULT_MAX_BYTES if config.max_response_body_size < 0 else config.max_response_body_size,
    )


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [Http]
