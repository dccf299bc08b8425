"""What the authentication server is told of a request: the client's headers, and who asked, how and for what (§3.11, 3).

Three ways, as `trustForwardHeader` says: unset, what is told of the client stands but for five headers; false, nothing of it
stands; true, all of it, and what is missing is added.
"""

from collections.abc import Collection

from pointsman.dialect.vouching.names import FORWARDED, OF_THE_CONNECTION, Remembered, plain
from pointsman.message import Headers, Request

Line = tuple[bytes, bytes]

ALWAYS_OURS = frozenset(b"x-forwarded-" + name for name in (b"for", b"method", b"proto", b"host", b"uri"))


class _Passed(Remembered):
    """Whether the client's headers of this name are told."""

    def __init__(self, trusted: bool | None, only: Collection[bytes]) -> None:
        super().__init__()
        self._trusted = trusted
        self._only = frozenset(only)

    def ask(self, name: bytes) -> bool:
        if name in OF_THE_CONNECTION:
            return False
        if plain(name) in FORWARDED:
            if plain(name) != name:  # it would be taken for what is said here
                return False
            if self._trusted is not None:
                return self._trusted
            if name in ALWAYS_OURS:
                return False
        return not self._only or name in self._only


class Question:
    """Makes the headers of the question from those of the request."""

    def __init__(self, trusted: bool | None, only: Collection[bytes], authorization: bytes = b"") -> None:
        """`only`: names of the client's headers that are told, none for all. `authorization`: ours where it has none."""
        self._trusted = trusted
        self._passed = _Passed(trusted, only)
        self._authorization = authorization

    def headers(self, request: Request) -> Headers:
        passed = self._passed
        lines = [line for line in request.headers if passed[line[0]]]
        connection = request.headers.get(b"connection")
        if connection is not None:
            lines = _without_named(lines, request.headers.get_all(b"connection"))
        if self._authorization and all(name != b"authorization" for name, _ in lines):
            lines.append((b"authorization", self._authorization))
        if self._trusted:
            return Headers(_completed(lines, request))
        lines += _told(request)
        if self._trusted is False:
            lines.append((b"x-forwarded-port", _port(request)))
        return Headers(lines)


def _without_named(lines: list[Line], connection: list[bytes]) -> list[Line]:
    """Without the headers that Connection names; who asked, and how, cannot be named."""
    named = {token.strip(b" \t").lower() for value in connection for token in value.split(b",")} - FORWARDED
    return [line for line in lines if line[0] not in named]


def _told(request: Request) -> list[Line]:
    uri = request.path if request.query is None else request.path + b"?" + request.query
    lines = [
        (b"x-forwarded-for", request.client.host.encode()),
        (b"x-forwarded-method", request.method),
        (b"x-forwarded-proto", b"http" if request.scheme == b"http" else b"https"),
        (b"x-forwarded-uri", uri),
    ]
    if request.authority:
        lines.append((b"x-forwarded-host", request.authority))
    return lines


def _completed(lines: list[Line], request: Request) -> list[Line]:
    """What is said of the client stands; it is added to the chain, and what nobody said is."""
    chain = [value for name, value in lines if name == b"x-forwarded-for" and value]
    said = {name for name, value in lines if value and name in FORWARDED}
    ours = [line for line in (*_told(request), (b"x-forwarded-port", _port(request))) if line[0] not in said]
    lines = [line for line in lines if line[0] not in FORWARDED or (line[1] and line[0] != b"x-forwarded-for")]
    chain.append(request.client.host.encode())
    lines.append((b"x-forwarded-for", b", ".join(chain)))
    return lines + [line for line in ours if line[0] != b"x-forwarded-for"]


def _port(request: Request) -> bytes:
    authority = request.authority
    port = authority[authority.rfind(b"]") + 1 :].partition(b":")[2]
    return port or (b"443" if request.scheme == b"https" else b"80")
