"""Who asked, and how: the forwarded headers (routing.md §6.2, operations.md §2.3). Pure."""

from pointsman import wire
from pointsman.message import HeaderList
from pointsman.server.settings import EntrySettings


def is_managed(name: bytes) -> bool:
    """Whether only the gateway, or a client it trusts, may say this header, in whatever spelling."""
    return bool(wire.NAMES[name][1] & wire.MANAGED)


def describe(settings: EntrySettings, ip: str, authority: bytes, scheme: bytes) -> HeaderList:
    """What the gateway itself says of a request. `scheme` is http, https, ws or wss."""
    return [
        (b"x-real-ip", ip.encode()),
        (b"x-forwarded-proto", scheme),
        (b"x-forwarded-port", _port(authority, scheme)),
        (b"x-forwarded-host", authority),
        (b"x-forwarded-server", settings.server_name),
    ]


def _port(authority: bytes, scheme: bytes) -> bytes:
    _, colon, port = authority[authority.rfind(b"]") + 1 :].rpartition(b":")
    if colon and port:
        return port
    return b"443" if scheme in (b"https", b"wss") else b"80"


def from_trusted(headers: HeaderList, own: HeaderList) -> tuple[HeaderList, list[bytes]]:
    """The managed headers for a trusted client, and its X-Forwarded-For chain.

    What it says stands, unless it is spelled with `_`; what it does not say is added; the gateway's own name always is ours.
    """
    said: HeaderList = []
    chain: list[bytes] = []
    for name, value in headers:
        if name == b"x-forwarded-for":
            chain.append(value)
        elif is_managed(name) and b"_" not in name and name != b"x-forwarded-server":
            said.append((name, value))
    names = {name for name, _ in said}
    proto = next((value for name, value in said if name == b"x-forwarded-proto"), None)
    authority = dict(own)[b"x-forwarded-host"]
    for name, value in own:
        if name == b"x-forwarded-port" and proto is not None:
            value = _port(authority, proto)
        if name not in names:
            said.append((name, value))
    if chain:
        said.append((b"x-forwarded-for", b", ".join(chain)))
    return said, chain
