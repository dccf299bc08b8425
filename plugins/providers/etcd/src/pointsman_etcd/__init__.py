"""Routers and services from the keys below a prefix of etcd, version 3 (providers.md §4)."""

import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from aiohttp import ClientSession
from attrs import frozen

from pointsman import Provider, ProviderContext, Publish, Secret, Url, hookimpl, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem
from pointsman_etcd.client import Etcd, EtcdError, a_session
from pointsman_etcd.endpoints import endpoint_url

PATH: Final = "providers.etcd"


@frozen
class EtcdConfig:
    endpoints: tuple[Url, ...] = option(
        default=(Url("127.0.0.1:2379"),), help="Members of the cluster, host:port; the first that answers is used"
    )
    root_key: str = option(default="traefik", help="First part of all keys")
    username: str = option(default="", help="User name for authentication")
    password: Secret = option(default=Secret(""), help="Password for authentication", repr=False)
    tls: ExporterTLS | None = option(default=None, help="TLS to the endpoints")


class EtcdProvider:
    """Keys of etcd"""

    name: ClassVar[str] = "etcd"
    Config: ClassVar[type] = EtcdConfig

    def __init__(self, config: EtcdConfig, context: ProviderContext) -> None:
        if not config.endpoints:
            raise ConfigError(Problem(f"{PATH}.endpoints", "names no endpoint; write it as host:port"))
        root = config.root_key.strip("/")
        if not root:
            raise ConfigError(Problem(f"{PATH}.rootKey", "names no key; leave it out for 'traefik'"))
        if bool(config.username) != bool(config.password):
            raise ConfigError(Problem(PATH, "has one of 'username' and 'password'; give both or none"))
        self._context = context
        self._prefix = f"{root}/"
        self._urls = deque(
            endpoint_url(endpoint, config.tls is not None, f"{PATH}.endpoints[{index}]")
            for index, endpoint in enumerate(config.endpoints)
        )
        """Whom to ask first comes first."""
        self._credentials = (config.username, config.password) if config.username else None
        self._tls: ssl.SSLContext | bool = True
        if config.tls is not None:
            self._tls = config.tls.settings(f"{PATH}.tls").context()

    def __repr__(self) -> str:
        return f"<EtcdProvider {self._prefix}* of {', '.join(self._urls)}>"

    async def provide(self, publish: Publish) -> None:
        async with a_session(self._tls) as session:
            etcd = await self._reached(session)
            told: Mapping[str, str] | None = None
            try:
                while True:
                    listing = await etcd.listed(self._prefix)
                    if listing.pairs != told:
                        told = listing.pairs
                        self._tell(publish, told)
                    await etcd.changed(self._prefix, listing.revision + 1)
            except EtcdError:
                self._urls.rotate(-1)
                raise

    async def _reached(self, session: ClientSession) -> Etcd:
        """An endpoint that answers. EtcdError, with the reasons of all, if none does."""
        failures = []
        for _ in range(len(self._urls)):
            etcd = Etcd(session, self._urls[0], self._credentials)
            try:
                await etcd.reach(self._prefix)
            except EtcdError as error:
                failures.append(str(error))
                self._urls.rotate(-1)
            else:
                return etcd
        raise EtcdError("; ".join(failures))

    def _tell(self, publish: Publish, pairs: Mapping[str, str]) -> None:
        """Publish what the keys say. Where they cannot be used, that is told, and what they said before stays."""
        try:
            document = self._context.from_keys({key.removeprefix(self._prefix): value for key, value in pairs.items()})
        except ConfigError as error:
            publish({}, error.problems)
        else:
            publish(_whole(document))


def _whole(document: Mapping[str, Any]) -> dict[str, Any]:
    """With a section, if empty, even where there is nothing at all: so that what is gone is cleared."""
    return {**document, "http": {"routers": {}, **(document.get("http") or {})}}


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [EtcdProvider]
