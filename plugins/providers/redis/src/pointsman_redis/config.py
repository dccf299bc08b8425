"""The options of `providers.redis` (providers.md §4.2)."""

from typing import Any

from attrs import Attribute, frozen
from attrs.validators import ge

from pointsman import Secret, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem

PATH = "providers.redis"
Place = tuple[str, int]
"""Host and port."""


@frozen
class SentinelConfig:
    master_name: str = option(default="", help="What the Sentinels call the master; needed")
    username: str = option(default="", help="The name to log in with at the Sentinels")
    password: Secret = option(default=Secret(""), repr=False, help="The password for the Sentinels")
    latency_strategy: bool = option(default=False, help="Read from the master or replica that answers first")
    random_strategy: bool = option(default=False, help="Read from the master or a replica, by chance")
    replica_strategy: bool = option(default=False, help="Read from a replica")
    use_disconnected_replicas: bool = option(
        default=False, help="Take replicas that have lost their master, where there are no others"
    )


def _not_empty(_: Any, attribute: "Attribute[list[str]]", value: list[str]) -> None:
    if not value:
        raise ValueError("is empty; name a server as host:port")


@frozen
class RedisConfig:
    endpoints: list[str] = option(
        factory=lambda: ["127.0.0.1:6379"], validator=_not_empty, help="The server as host:port, or the Sentinels"
    )
    root_key: str = option(default="traefik", help="The first part of all keys")
    username: str = option(default="", help="The name to log in with")
    password: Secret = option(default=Secret(""), repr=False, help="The password to log in with")
    db: int = option(default=0, validator=ge(0), help="The number of the database")
    tls: ExporterTLS | None = option(default=None, allow_empty=True, help="Speak TLS, with the Sentinels too")
    sentinel: SentinelConfig | None = option(default=None, help="The endpoints are Sentinels: ask them for the server")


def checked(config: RedisConfig) -> tuple[list[Place], str]:
    """The endpoints, and the root key without slashes around it. ConfigError for all that does not go together."""
    problems: list[Problem] = []
    places = [_place(text, problems) for text in config.endpoints]
    root = config.root_key.strip("/")
    if not root:
        problems.append(Problem(f"{PATH}.rootKey", "is empty; name the first part of the keys, such as 'traefik'"))
    if config.username and not config.password:
        problems.append(Problem(f"{PATH}.username", "needs a password beside it"))
    own = config.sentinel
    if own is None and len(places) > 1:
        problems.append(
            Problem(f"{PATH}.endpoints", "names several servers; one is read, unless 'sentinel' says they are Sentinels")
        )
    if own is not None:
        path = f"{PATH}.sentinel"
        if not own.master_name:
            problems.append(Problem(f"{path}.masterName", "is needed; it is the name in 'sentinel monitor <name> ...'"))
        strategies = {
            "latencyStrategy": own.latency_strategy,
            "randomStrategy": own.random_strategy,
            "replicaStrategy": own.replica_strategy,
        }
        chosen = [name for name, value in strategies.items() if value]
        if len(chosen) > 1:
            problems.append(Problem(path, f"{' and '.join(chosen)} exclude each other; keep one of them"))
    if problems:
        raise ConfigError(problems)
    return places, root


def shown(place: Place) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _place(text: str, problems: list[Problem]) -> Place:
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if (
        not colon
        or not host
        or "@" in host
        or "/" in host
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port[:6]) < 65536
    ):
        shown = text.rpartition("@")[2]
        problems.append(
            Problem(f"{PATH}.endpoints", f"'{shown}' is no server; write host:port, and name and password as options")
        )
        return "", 0
    return host, int(port)
