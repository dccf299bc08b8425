"""nginx's variables in texts, `$host` or `${arg_id}x`: the one interpreter of all plugins (middlewares.md §4).

A text is read once, into pieces; for a request the pieces are looked up and joined. A name that nobody knows stays as it is
written. Values are bytes, and may hold whatever a client sent: whoever puts one into a header or a path checks it.
"""

import re
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

from pointsman.dialect.patterns import MAX_RESULT, Group, TooMuch
from pointsman.dialect.redirection import DEFAULT_PORTS, scheme_of, split_authority
from pointsman.message import Headers, Request
from pointsman.paths import decoded, normalise, sanitise

_NAME: Final = re.compile(r"\$(?:\{([1-9]|[A-Za-z_]\w*)\}|([1-9]|[A-Za-z_]\w*))", re.ASCII)
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?]*")
_SLASHES: Final = re.compile(rb"//+")
_HOSTNAME: Final = socket.gethostname().encode()
GROUPS: Final = 9


class Scope:
    """What the variables of one request are looked up in."""

    __slots__ = ("custom", "groups", "request", "upstream")

    def __init__(self, request: Request, custom: Mapping[str, bytes] | None = None) -> None:
        self.request = request
        self.custom: dict[str, bytes] = dict(custom or {})
        """Those that a configuration sets, by name without the `$`."""
        self.groups: tuple[bytes, ...] = ()
        """What the groups of the last expression that matched took: `$1` is the first."""
        self.upstream: Headers | None = None
        """The answer that `$upstream_http_...` speaks of, once there is one."""

    def remember(self, group: Group, count: int) -> None:
        """These are the groups now."""
        self.groups = tuple(group(number) for number in range(1, min(count, GROUPS) + 1))


Look = Callable[[Scope], bytes]


class Text:
    """A text with variables in it."""

    __slots__ = ("_parts", "constant", "source", "unknown")

    def __init__(self, source: str, custom: Collection[str] = ()) -> None:
        """`custom`: names that `Scope.custom` will hold."""
        parts: list[bytes | Look] = []
        unknown: list[str] = []
        end = 0
        for match in _NAME.finditer(source):
            look = _look(match[1] or match[2], custom)
            if look is None:
                unknown.append(match[0])
            else:
                parts += [source[end : match.start()].encode(), look]
                end = match.end()
        parts.append(source[end:].encode())
        self.source = source
        self._parts = tuple(part for part in parts if part != b"")
        self.unknown = tuple(unknown)
        """What is written like a variable, and is none: `$binary_remote_addr`."""
        self.constant: bytes | None = None
        """What it is for every request; None if that depends."""
        if all(isinstance(part, bytes) for part in self._parts):
            self.constant = b"".join(part for part in self._parts if isinstance(part, bytes))

    def __call__(self, scope: Scope) -> bytes:
        """TooMuch (414) for a value that is longer than any header may be."""
        if self.constant is not None:
            return self.constant
        value = b"".join([part if isinstance(part, bytes) else part(scope) for part in self._parts])
        if len(value) > MAX_RESULT:
            raise TooMuch
        return value

    def __repr__(self) -> str:
        return f"<Text {self.source}>"


def known(name: str) -> bool:
    """Whether this variable is one of nginx's own, which nobody may set."""
    return name in _SINGLE or name.startswith(tuple(_FAMILIES))


def _look(name: str, custom: Collection[str]) -> Look | None:
    if name.isdigit():
        number = int(name) - 1
        return lambda scope: scope.groups[number] if number < len(scope.groups) else b""
    if name in custom:
        return lambda scope: scope.custom.get(name, b"")
    if name in _SINGLE:
        return _SINGLE[name]
    for prefix, family in _FAMILIES.items():
        if name.startswith(prefix):
            return family(name.removeprefix(prefix))
    return None


def request_uri(request: Request) -> bytes:
    """Path and query as the client asked for them, whatever has been done to them since; the path in its canonical form."""
    target = request.target
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.match(target)
        if absolute is None:  # OPTIONS *
            return target
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    path, mark, query = target.partition(b"?")
    try:
        path = sanitise(normalise(path))
    except ValueError:  # no such request comes this far
        path = request.path
    return path + mark + query


def uri(request: Request) -> bytes:
    """The decoded path as it is by now, and never with two slashes in a row: `//` would begin a host elsewhere."""
    path = decoded(request.path)
    return _SLASHES.sub(b"/", path) if b"//" in path else path


def _host(scope: Scope) -> bytes:
    return split_authority(scope.request.authority)[0]


def _port(scope: Scope) -> bytes:
    return split_authority(scope.request.authority)[1] or DEFAULT_PORTS[scheme_of(scope.request)]


def _forwarded_for(scope: Scope) -> bytes:
    chain = scope.request.headers.get_all(b"x-forwarded-for")
    return b", ".join([*chain, scope.request.client.host.encode()])


def _argument(name: str) -> Look:
    wanted = name.encode()

    def look(scope: Scope) -> bytes:
        for pair in (scope.request.query or b"").split(b"&"):
            key, _, value = pair.partition(b"=")
            if key == wanted or (b"%" in key and unquote_to_bytes(key) == wanted):
                return unquote_to_bytes(value.replace(b"+", b" "))
        return b""

    return look


def _header(name: str) -> Look:
    wanted = name.lower().replace("_", "-").encode()
    if wanted == b"host":
        return lambda scope: scope.request.authority
    return lambda scope: b",".join(scope.request.headers.get_all(wanted))


def _answer_header(name: str) -> Look:
    wanted = name.lower().replace("_", "-").encode()
    return lambda scope: b",".join(scope.upstream.get_all(wanted)) if scope.upstream is not None else b""


def _cookie(name: str) -> Look:
    wanted = name.encode()

    def look(scope: Scope) -> bytes:
        for line in scope.request.headers.get_all(b"cookie"):
            for pair in line.split(b";"):
                key, _, value = pair.strip(b" \t").partition(b"=")
                if key == wanted:
                    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
        return b""

    return look


_SINGLE: Final[Mapping[str, Look]] = {
    "scheme": lambda scope: scheme_of(scope.request),
    "host": lambda scope: _host(scope).lower(),
    "best_http_host": lambda scope: scope.request.authority,
    "hostname": lambda scope: _HOSTNAME,
    "request_uri": lambda scope: request_uri(scope.request),
    "escaped_request_uri": lambda scope: quote_plus(request_uri(scope.request), safe="").encode(),
    "request_method": lambda scope: scope.request.method,
    "query_string": lambda scope: scope.request.query or b"",
    "args": lambda scope: scope.request.query or b"",
    "is_args": lambda scope: b"?" if scope.request.query else b"",
    "remote_addr": lambda scope: scope.request.client.host.encode(),
    "uri": lambda scope: uri(scope.request),
    "document_uri": lambda scope: uri(scope.request),
    "server_name": _host,
    "server_port": _port,
    "content_type": lambda scope: scope.request.headers.get(b"content-type") or b"",
    "content_length": lambda scope: scope.request.headers.get(b"content-length") or b"",
    "proxy_add_x_forwarded_for": _forwarded_for,
}
_FAMILIES: Final[Mapping[str, Callable[[str], Look]]] = {
    "upstream_http_": _answer_header,
    "http_": _header,
    "arg_": _argument,
    "cookie_": _cookie,
}
