"""Where a container is reached (providers.md §5.1, "Address"). Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import frozen

from pointsman_docker import plain
from pointsman_docker.containers import Container

_CONTAINER: Final = "container:"

Address = Callable[[int | None], tuple[str, int]]


@frozen
class Place:
    """Where something is: an address or why there is none, and what is odd about it."""

    host: str
    missing: str = ""
    warning: str = ""

    def at(self, port: int | None) -> tuple[str, int]:
        """ValueError if there is no address or no port."""
        if port is None:
            raise ValueError("port is missing; expose one, or name it by the label ...loadbalancer.server.port")
        if not self.host:
            raise ValueError(f"unable to find the IP address: {self.missing}")
        return self.host, port


def on_network(networks: Mapping[str, str], wanted: str) -> Place:
    """The address on the wanted network; on the first that has one if it is not attached to that, or none is wanted.

    `networks` are addresses by name, best first.
    """
    if wanted and networks.get(wanted):
        return Place(networks[wanted])
    name = next((name for name, address in networks.items() if address), "")
    if not wanted:
        return Place(networks.get(name, ""), "it is on no network that gives it one")
    attached = ", ".join(networks) or "none"
    if not name:
        return Place("", f"it has none on the network '{wanted}', nor on another; its networks: {attached}")
    message = f"has no address on the network '{wanted}', so the one on '{name}' is used; its networks: {attached}"
    return Place(networks[name], warning=message)


@frozen
class Addresses:
    """How the containers of one engine are reached."""

    containers: Mapping[str, Container]
    """By id and by name."""
    network: str
    """The one that the provider's options name."""
    use_bindings: bool
    gateway: str
    """Where the machine is on whose network containers in mode `host` are."""
    labelled: Callable[[Container], str]
    """The network that a container's own labels name; "" if they name none."""

    def of(self, container: Container) -> tuple[Address, str]:
        """What gives host and port to the port of a label, and a warning or ""."""
        place = self._place(container, self.labelled(container) or self.network)

        def address(port: int | None) -> tuple[str, int]:
            port = port or next(iter(container.bindings), None)
            if self.use_bindings and port is not None:
                host, outside = next(iter(container.bindings.get(port, ())), ("", 0))
                if bound := plain.address(host):
                    return bound, outside
            return place.at(port)

        return address, place.warning

    def _place(self, container: Container, wanted: str, seen: Iterable[str] = ()) -> Place:
        if wanted and container.networks.get(wanted):
            return Place(container.networks[wanted])
        if container.mode == "host":
            return Place(container.node or self.gateway)
        if not container.mode.startswith(_CONTAINER):
            return on_network(container.networks, wanted)
        key = container.mode.removeprefix(_CONTAINER)
        other = self.containers.get(key)
        if other is None or other.id in seen:
            return Place("", f"it shares the network of the container '{key}', which there is not")
        return self._place(other, self.labelled(other) or wanted, (*seen, container.id))
