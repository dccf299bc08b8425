"""The options, and what NOMAD_* variables say where an option says nothing."""

import os
import ssl
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from pointsman import Duration, FileOrContent, Secret, Url, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem

PATH: Final = "providers.nomad"
ADDRESS: Final = "http://127.0.0.1:4646"


@frozen
class EndpointConfig:
    address: Url = option(default=Url(""), help="URL of a Nomad agent; NOMAD_ADDR or http://127.0.0.1:4646 if unset")
    region: str = option(default="", help="Region; NOMAD_REGION or that of the agent if unset")
    token: Secret = option(default=Secret(""), help="ACL token; NOMAD_TOKEN if unset", repr=False)
    tls: ExporterTLS | None = option(default=None, help="TLS to the agent")
    endpoint_wait_time: Duration = option(default=Duration(0), help="How long the agent may hold a question back")


@frozen
class NomadConfig:
    endpoint: EndpointConfig = field(factory=EndpointConfig)
    prefix: str = option(default="traefik", help="First part of tags that are read")
    refresh_interval: Duration = option(default=Duration(15), help="How often to ask, without watch")
    watch: bool = option(default=False, help="Listen to events instead of asking now and then")
    throttle_duration: Duration = option(default=Duration(0), help="Shortest time between two looks, with watch")
    stale: bool = option(default=False, help="Let any server of Nomad answer")
    exposed_by_default: bool = option(default=True, help="Whether services count that do not say so")
    allow_empty_services: bool = option(default=False, help="Keep services whose group is scaled to zero")
    default_rule: str = option(default="Host(`{{ normalize .Name }}`)", help="Rule of routers that have none")
    constraints: str = option(default="", help="Expression over tags that services must meet")
    namespaces: tuple[str, ...] = option(default=(), help="Namespaces, each a provider of its own; the agent's if unset")


@frozen
class Place:
    """Where to ask, and as whom."""

    url: str
    """Without a slash at the end."""
    region: str
    token: str = field(repr=False)
    tls: ssl.SSLContext | bool


def place(endpoint: EndpointConfig) -> Place:
    """With the environment where an option is unset. ConfigError for what cannot be used."""
    address = endpoint.address or os.environ.get("NOMAD_ADDR", "") or ADDRESS
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
            raise ValueError("write it as http://host:port or https://host:port")
        if "@" in parts.netloc:
            raise ValueError("it holds a user or a password; Nomad wants a 'token'")
    except ValueError as error:
        raise ConfigError(Problem(f"{PATH}.endpoint.address", f"is no URL of a Nomad agent: {error}")) from None
    tls = endpoint.tls if endpoint.tls is not None else _tls_of_environment()
    return Place(
        address.rstrip("/"),
        endpoint.region or os.environ.get("NOMAD_REGION", ""),
        endpoint.token or os.environ.get("NOMAD_TOKEN", ""),
        tls.settings(f"{PATH}.endpoint.tls").context() if parts.scheme == "https" and tls is not None else True,
    )


def _tls_of_environment() -> ExporterTLS | None:
    def said(name: str) -> FileOrContent:
        return FileOrContent(os.environ.get(name, ""))

    skip = os.environ.get("NOMAD_SKIP_VERIFY", "").lower() in ("1", "t", "true")
    tls = ExporterTLS(said("NOMAD_CACERT"), said("NOMAD_CLIENT_CERT"), said("NOMAD_CLIENT_KEY"), skip)
    return tls if tls != ExporterTLS() else None
