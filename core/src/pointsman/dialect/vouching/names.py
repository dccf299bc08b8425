"""Header names: which are never carried over, which tell of the client, and which some server would take for another."""

from typing import Final

OF_THE_CONNECTION: Final = frozenset(
    b"connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""About one connection, or about where one message ends: those of one message say nothing about another."""

FORWARDED: Final = frozenset(
    b"x-forwarded-" + name
    for name in b"for host method port prefix proto server tls-client-cert tls-client-cert-info uri".split()
) | {b"x-real-ip"}
"""Who asked, and how, and for what."""

REMEMBERED: Final = 4096
LONG: Final = 64
"""So many names an answer is remembered for, none of them longer than so many bytes: clients send what they like."""


def plain(name: bytes) -> bytes:
    """The name that servers behind CGI and its like cannot tell from this one, with `-` throughout."""
    return name.replace(b"_", b"-").replace(b".", b"-")


def canonical(name: bytes) -> str:
    """As patterns see it: `X-Auth-User`."""
    return "-".join(part[:1].upper() + part[1:] for part in name.decode("latin-1").split("-"))


class Remembered(dict[bytes, bool]):
    """A question about header names, asked once for each. Bounded: it forgets when full."""

    def __missing__(self, name: bytes) -> bool:
        answer = self.ask(name)
        if len(name) <= LONG:
            if len(self) >= REMEMBERED:
                self.clear()
            self[name] = answer
        return answer

    def ask(self, name: bytes) -> bool:
        raise NotImplementedError
