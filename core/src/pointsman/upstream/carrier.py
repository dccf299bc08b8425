"""What a forwarding needs of whatever carries it: an HTTP/1 connection, or a stream of an HTTP/2 one."""

from typing import TYPE_CHECKING, Protocol

from pointsman.api import Peer
from pointsman.errors import GatewayError
from pointsman.message import HeaderList, Source

if TYPE_CHECKING:
    from pointsman.upstream.forward import Forwarding


class Carrier(Source, Protocol):
    """Carries one request to its server and the answer back, and then maybe the next.

    It tells its forwarding: `interim`, then `answered` or `failed`, and `over` once; `pause` and `resume` for the request's
    body. What it tells after `forwarding` has been let go of is heard by nobody. It is the source of the response's body.
    """

    version: int
    """11 for HTTP/1.1, 20 for HTTP/2."""
    forwarding: "Forwarding | None"
    deadline: float
    """When patience with the server ends; `expire` is called then."""
    reused: bool
    """Whether it has carried another request before, so that the server may just have closed it."""
    heard: bool
    """Whether any byte of this answer has come."""
    write_paused: bool

    @property
    def usable(self) -> bool:
        """Whether it can carry a request now."""

    @property
    def waiting(self) -> bool:
        """Whether the response head is still to come."""

    def begin(self, forwarding: "Forwarding", peer: Peer, alone: bool, /) -> None:
        """Carry this one. Its head goes out at once if it is `alone`; else with the first of its body, or by `send_head`.

        ValueError if it cannot be written.
        """

    def send_head(self) -> None:
        """The head goes out now."""

    def send(self, chunk: bytes, /) -> None:
        """A piece of the request's body."""

    def finish(self, trailers: HeaderList, /) -> None:
        """The request's body is over."""

    def give_up(self, error: GatewayError, /) -> None:
        """Stop carrying it: whoever waits for the rest gets this error."""

    def shut(self) -> None:
        """Stop carrying it, and tell nobody."""
