"""The options of `providers.zooKeeper` (providers.md §4.2)."""

from typing import Any

from attrs import Attribute, frozen

from pointsman import Secret, option
from pointsman.errors import ConfigError, Problem

PATH = "providers.zooKeeper"


def _not_empty(_: Any, attribute: "Attribute[list[str]]", value: list[str]) -> None:
    if not value:
        raise ValueError("is empty; name a server as host:port")


@frozen
class ZooKeeperConfig:
    endpoints: list[str] = option(
        factory=lambda: ["127.0.0.1:2181"], validator=_not_empty, help="The servers of the ensemble as host:port"
    )
    root_key: str = option(default="traefik", help="The node below which everything is, without a leading slash")
    username: str = option(default="", help="The name to log in with (digest)")
    password: Secret = option(default=Secret(""), repr=False, help="The password to log in with")


def checked(config: ZooKeeperConfig) -> tuple[list[str], str]:
    """The endpoints as host:port, and the path of the root node. ConfigError for all that cannot be used."""
    problems: list[Problem] = []
    hosts = [_host(text, problems) for text in config.endpoints]
    root = config.root_key.strip("/")
    if not root or {"", ".", ".."} & set(root.split("/")):
        problems.append(Problem(f"{PATH}.rootKey", f"'{config.root_key}' is no path of a node; write one such as 'traefik'"))
    if bool(config.username) != bool(config.password):
        problems.append(Problem(PATH, "username and password go together; give both or none"))
    if ":" in config.username:
        problems.append(Problem(f"{PATH}.username", "holds a colon, which digest authentication cannot say"))
    if problems:
        raise ConfigError(problems)
    return hosts, f"/{root}"


def _host(text: str, problems: list[Problem]) -> str:
    host, colon, port = text.strip().rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not colon or not host or {"@", "/", ","} & set(host) or not 0 < number < 65536:
        shown = text.rpartition("@")[2]
        message = f"'{shown}' is no server; write host:port, and name and password as options"
        problems.append(Problem(f"{PATH}.endpoints", message))
    return f"{host}:{port}"
