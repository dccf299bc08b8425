"""Who asked, and how: the forwarded headers (routing.md §6.2, operations.md §2.3). Pure."""

from pointsman import wire
from pointsman.message import HeaderList

_SCHEMES = (b"x-forwarded-scheme", b"x-scheme")
_OWN = frozenset((b"x-real-ip", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-host"))


def is_managed(name: bytes) -> bool:
    """Whether only the gateway, or a client it trusts, may say this header, in whatever spelling."""
    return bool(wire.NAMES[name][1] & wire.MANAGED)


def _port(authority: bytes, scheme: bytes) -> bytes:
    _, colon, port = authority[authority.rfind(b"]") + 1 :].rpartition(b":")
    if colon and port:
        return port
    return b"443" if scheme in (b"https", b"wss") else b"80"


def from_trusted(headers: HeaderList, own: HeaderList) -> tuple[HeaderList, list[bytes]]:
    """The managed headers for a trusted client, and its X-Forwarded-For chain.

    What it says stands, unless it is spelled with `_`; what it does not say, or leaves empty, is added; the gateway's own
    name always is ours, and so are the repetitions of the scheme where the entry point adds them.
    """
    ours = {name for name, _ in own if name == b"x-forwarded-server" or name in _SCHEMES}
    said: HeaderList = []
    chain: list[bytes] = []
    for name, value in headers:
        if name == b"x-forwarded-for":
            chain.append(value)
        elif is_managed(name) and b"_" not in name and name not in ours and (value or name not in _OWN):
            said.append((name, value))
    names = {name for name, _ in said}
    proto = next((value for name, value in said if name == b"x-forwarded-proto"), None)
    authority = dict(own).get(b"x-forwarded-host", b"")
    for name, value in own:
        if name == b"x-forwarded-port" and proto is not None:
            value = _port(authority, proto)
        elif name in _SCHEMES and proto is not None:
            value = proto
        if name not in names:
            said.append((name, value))
    if chain:
        said.append((b"x-forwarded-for", b", ".join(chain)))
    return said, chain
