"""Which engine to ask, and how it is reached: options, and where they are silent the environment (providers.md §5.1, §7).

`DOCKER_HOST`, `DOCKER_API_VERSION`, `DOCKER_CERT_PATH` and `DOCKER_TLS_VERIFY` are read where no endpoint is configured. In
the reference they win over what is configured.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from attrs import frozen

from pointsman import FileOrContent, shown_url
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem
from pointsman_docker.config import DEFAULT_ENDPOINT, Common

_PORTS: Final = {"http": 2375, "https": 2376}
_SSH: Final = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-T")


@frozen
class Endpoint:
    """`base` is the URL before the path of a call; it is made up where connections do not go to its host."""

    shown: str
    """As messages may have it."""
    base: str
    socket: str = ""
    """The path of a unix socket."""
    command: tuple[str, ...] = ()
    """What connects its standard input and output with the engine."""
    tls: ExporterTLS | None = None
    user: str = ""
    password: str = ""
    version: str = ""
    """Of the API; "" to agree with the engine on one."""


def endpoint(config: Common, environment: Mapping[str, str], path: str) -> Endpoint:
    """ConfigError, with a path below `path`, for what cannot be an endpoint."""
    written, tls, version = str(config.endpoint), config.tls, ""
    if written == DEFAULT_ENDPOINT:
        written = environment.get("DOCKER_HOST") or written
        version = environment.get("DOCKER_API_VERSION", "")
        tls = tls or _environment_tls(environment)
    if bool(config.username) != bool(config.password):
        raise ConfigError(Problem(path, "username and password go together; give both, or neither"))
    try:
        return _parsed(written, tls, config.username, config.password, version)
    except ValueError as error:
        raise ConfigError(Problem(f"{path}.endpoint", f"'{shown_url(written)}' {error}")) from None


def _environment_tls(environment: Mapping[str, str]) -> ExporterTLS | None:
    folder = environment.get("DOCKER_CERT_PATH", "").rstrip("/")
    if not folder:
        return None
    ca, cert, key = (FileOrContent(f"{folder}/{name}.pem") for name in ("ca", "cert", "key"))
    return ExporterTLS(ca, cert, key, not environment.get("DOCKER_TLS_VERIFY"))


def _parsed(written: str, tls: ExporterTLS | None, user: str, password: str, version: str) -> Endpoint:
    scheme, separator, rest = written.partition("://")
    scheme = scheme.lower()
    shown = shown_url(written)
    if not separator or scheme not in ("unix", "tcp", "http", "https", "ssh"):
        raise ValueError("is no address of an engine; write unix:///path, tcp://host:port, http://, https:// or ssh://")
    if scheme == "unix":
        if not rest.startswith("/"):
            raise ValueError("needs the path of a socket, such as unix:///var/run/docker.sock")
        return Endpoint(shown, "http://docker", socket=rest, user=user, password=password, version=version)
    parts = urlsplit(f"{scheme}://{rest}")
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError("needs a host, and no query")
    if scheme == "ssh":
        return Endpoint(shown, "http://docker", command=_ssh(parts), user=user, password=password, version=version)
    secure = scheme == "https" or tls is not None
    plain = "https" if secure else "http"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base = f"{plain}://{host}:{parts.port or _PORTS[plain]}{parts.path.rstrip('/')}"
    user, password = user or unquote(parts.username or ""), password or unquote(parts.password or "")
    own = (tls or ExporterTLS()) if secure else None
    return Endpoint(shown, base, tls=own, user=user, password=password, version=version)


def _ssh(parts: SplitResult) -> tuple[str, ...]:
    """As Docker's own client does it: the engine's client on the other machine carries the bytes."""
    if parts.password:
        raise ValueError("must not hold a password; ssh takes keys")
    user = ("-l", unquote(parts.username)) if parts.username else ()
    port = ("-p", str(parts.port)) if parts.port else ()
    socket = ("--host", f"unix://{parts.path}") if parts.path.strip("/") else ()
    return (*_SSH, *user, *port, "--", str(parts.hostname), "docker", *socket, "system", "dial-stdio")
