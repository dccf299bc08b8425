"""One container, task or instance of a catalogue."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

Address = Callable[[int | None], tuple[str, int]]
"""Host and port of a server, given the port that its labels say, if they do. ValueError says why there is none."""


@frozen(eq=False)
class Instance:
    """What a provider knows of one instance."""

    key: str
    """Unique; what problems call it, and the order: `container web-1`."""
    name: str
    """`.Name` of the default rule; what is made implicitly is called so."""
    labels: Mapping[str, str]
    """All of them, with the root `traefik.`; tags made into labels."""
    address: Address
    fields: Mapping[str, Any] = field(factory=dict)
    """Further fields of the default rule's data, such as `ContainerName`."""
    tags: Sequence[str] | None = None
    """What `Tag(...)` in constraints judges."""
    empty: bool = False
    """Keep its services without servers: it is not running, or not healthy."""
    transport: str = ""
    """The serversTransport by which its servers are reached, over TLS, whatever its labels say; "" is none."""
