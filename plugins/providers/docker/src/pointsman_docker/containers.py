"""Containers as the Engine API describes them: what of it matters here. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.lookups import block, blocks, text, texts
from pointsman_docker import plain

_WELL: Final = ("", "none", "healthy")
_SERVICE: Final = "com.docker.compose.service"
_PROJECT: Final = "com.docker.compose.project"


@frozen
class Container:
    id: str
    name: str
    labels: Mapping[str, str]
    running: bool
    health: str
    """`starting`, `healthy`, `unhealthy`; `none` or "" without a health check."""
    mode: str
    """`host`, `container:<id or name>`, or the name of a network."""
    networks: Mapping[str, str]
    """Address by name, in order of name; those without an address are there with ""."""
    bindings: Mapping[int, Sequence[tuple[str, int]]]
    """Exposed ports, lowest first, each with the host's addresses and ports that lead to it."""
    node: str = ""
    """Address of the machine it runs on, if the engine speaks for several."""

    @property
    def well(self) -> bool:
        return self.health in _WELL

    @property
    def service(self) -> str:
        """The name of what it is a part of (providers.md §1.7)."""
        service, project = self.labels.get(_SERVICE), self.labels.get(_PROJECT)
        return plain.normalised(f"{service}_{project}" if service and project else self.name)


def container(document: Any) -> Container:
    """What `GET /containers/{id}/json` says. ValueError if that is no container."""
    own, name = text(document, "Id"), text(document, "Name").lstrip("/")
    if not own or not name:
        raise ValueError("it has no id or no name")
    state, settings = block(document, "State"), block(document, "NetworkSettings")
    return Container(
        own,
        name,
        texts(document, "Config", "Labels"),
        state.get("Running") is True,
        text(state, "Health", "Status").lower(),
        text(document, "HostConfig", "NetworkMode"),
        {key: _address(value) for key, value in sorted(block(settings, "Networks").items())},
        _bindings(block(settings, "Ports")),
        plain.address(text(document, "Node", "IPAddress")),
    )


def _address(network: Any) -> str:
    four, six = text(network, "IPAddress"), text(network, "GlobalIPv6Address")
    return plain.address(four) or plain.address(six)


def _bindings(ports: Mapping[str, Any]) -> dict[int, list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = {}
    for key in sorted(ports, key=lambda each: each.rpartition("/")[::-1]):  # tcp before udp
        number = plain.port(key)
        if number is None:
            continue
        known = found.setdefault(number, [])
        for binding in blocks(ports, key):
            outside = plain.port(text(binding, "HostPort"))
            if outside is not None:
                known.append((text(binding, "HostIp"), outside))
    return dict(sorted(found.items()))
