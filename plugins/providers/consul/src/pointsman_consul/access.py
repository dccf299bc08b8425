"""How an agent is reached: options, and the environment of Consul's own tools where an option is not given. No I/O but for
the files of TLS."""

import base64
import os
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from pointsman import FileOrContent, Secret
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem

DEFAULT_ADDRESS: Final = "127.0.0.1:8500"
_YES: Final = ("1", "t", "true")
_NO: Final = ("0", "f", "false")


@frozen
class Wanted:
    """What the options say, each with the path that messages give; empty is what nobody has said."""

    path: str
    """`providers.consul`"""
    address: str = ""
    address_path: str = ""
    scheme: str = ""
    token: Secret = field(default=Secret(""), repr=False)
    tls: ExporterTLS | None = None
    tls_path: str = ""
    username: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    datacenter: str = ""
    namespace: str = ""


@frozen
class Access:
    """An agent of Consul."""

    url: str
    """scheme://host:port, and what a proxy in front may want before `/v1`."""
    socket: str
    """The path of a unix socket; empty: TCP."""
    headers: Mapping[str, str] = field(repr=False)
    token_file: str = ""
    query: Mapping[str, str] = field(factory=dict)
    """What every question says: data centre and namespace."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """What messages call it."""
        return f"unix://{self.socket}" if self.socket else self.url


def reach(wanted: Wanted) -> Access:
    """The agent that is meant. ConfigError for what cannot be one."""
    address, where = wanted.address.strip(), wanted.address_path
    if not address:
        address, where = os.environ.get("CONSUL_HTTP_ADDR", "").strip(), "CONSUL_HTTP_ADDR"
    url, socket = _place(address or DEFAULT_ADDRESS, where, wanted)
    tls = _tls(wanted) if url.startswith("https:") else None
    headers = {"X-Consul-Token": token} if (token := _line(*_token(wanted))) else {}
    if user := _user(wanted):
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    query = {"dc": wanted.datacenter, "ns": wanted.namespace or os.environ.get("CONSUL_NAMESPACE", "")}
    token_file = "" if token else os.environ.get("CONSUL_HTTP_TOKEN_FILE", "")
    return Access(url, socket, headers, token_file, {name: value for name, value in query.items() if value}, tls)


def namespaces(named: list[str], path: str) -> list[str]:
    """Those that there are providers for. ConfigError for what is no name of one."""
    if "*" in named:
        raise ConfigError(Problem(path, "cannot be '*'; name each namespace, for each is a provider of its own"))
    if "" in named:
        raise ConfigError(Problem(path, "holds an empty name; leave it out"))
    return list(dict.fromkeys(named))


def _place(address: str, where: str, wanted: Wanted) -> tuple[str, str]:
    """URL and unix socket."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        scheme, rest = _scheme(wanted), address
    if scheme == "unix":
        if not rest.startswith("/"):
            raise ConfigError(Problem(where, "is no path of a socket; write it as unix:///run/consul.sock"))
        return "http://localhost", rest
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        usable = scheme in ("http", "https") and parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if "@" in rest:  # never repeat it
        raise ConfigError(Problem(where, "holds a user or a password, which have options of their own"))
    if not usable:
        raise ConfigError(
            Problem(where, f"{address!r} is no address of an agent; write it as host:port or https://host:port")
        )
    if scheme == "http" and wanted.tls is not None:
        raise ConfigError(Problem(wanted.tls_path, "has no effect over http; write https, or leave it out"))
    return f"{scheme}://{rest.rstrip('/')}", ""


def _scheme(wanted: Wanted) -> str:
    if wanted.scheme:
        return wanted.scheme.lower()
    return "https" if wanted.tls is not None or _flag("CONSUL_HTTP_SSL", False) else "http"


def _tls(wanted: Wanted) -> ssl.SSLContext:
    block, path = wanted.tls, wanted.tls_path
    if block is None:
        ca, cert, key = (
            FileOrContent(os.environ.get(name, "")) for name in ("CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY")
        )
        block, path = ExporterTLS(ca, cert, key, not _flag("CONSUL_HTTP_SSL_VERIFY", True)), "CONSUL_CACERT and the like"
    return block.settings(path).context()


def _token(wanted: Wanted) -> tuple[str, str]:
    """It, and where it stands."""
    if wanted.token:
        return wanted.token, f"{wanted.path}.token"
    return os.environ.get("CONSUL_HTTP_TOKEN", ""), "CONSUL_HTTP_TOKEN"


def _user(wanted: Wanted) -> str:
    if wanted.username or wanted.password:
        return f"{wanted.username}:{wanted.password}"
    return os.environ.get("CONSUL_HTTP_AUTH", "")


def _line(text: str, where: str) -> str:
    """A token as a header may have it."""
    text = text.strip()
    if not (text.isascii() and text.isprintable()):
        raise ConfigError(Problem(where, "is no token: it holds what no header can"))
    return text


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in (*_YES, *_NO):
        raise ConfigError(Problem(name, f"is '{text}', and should be true or false"))
    return text in _YES
