"""Attributes of spans (operations.md §5.4), put together when they are exported, of what was kept of the exchange."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from pointsman.api import Peer
from pointsman.message import HeaderList, Headers, Link, Parsed
from pointsman.spans import AttributeValue

Pairs = Sequence[tuple[bytes, bytes]]
Kept = Parsed | Pairs
"""Header lines as they were: what is read of a connection does not change, so it is enough to hold it."""

REDACTED: Final = "REDACTED"
MAX_KEPT: Final = 16 * 1024
"""Bytes of a head, and of a target, that a span holds at most."""
VERSIONS: Final = {10: "1.0", 11: "1.1", 20: "2", 30: "3"}
_DEFAULT_PORTS: Final = {False: 80, True: 443}


def kept(headers: Headers) -> Kept:
    """The lines as they are now, for `Descriptions`; those that somebody touched may still change.

    Of a large head only the short lines: thousands of spans may wait for a collector.
    """
    parsed = headers.parsed
    if parsed is None:
        raw = headers.raw
        return raw if sum([len(line[1]) for line in raw]) <= MAX_KEPT else _short(raw)
    return parsed if len(parsed.wire) <= MAX_KEPT else _short(parsed.pairs())


def _short(pairs: Pairs) -> HeaderList:
    """Lines that have room together, the first ones first."""
    room, found = MAX_KEPT, list[tuple[bytes, bytes]]()
    for name, value in pairs:
        if len(name) + len(value) <= room:
            room -= len(name) + len(value)
            found.append((name, value))
    return found


class _Texts(dict[bytes, str]):
    """Bytes of a client -> text of a span, where what is no UTF-8 stands as escapes. Bounded: it forgets when full."""

    def __missing__(self, value: bytes) -> str:
        decoded = value.decode("utf-8", "backslashreplace")
        if len(value) <= 128:
            if len(self) >= 4096:
                self.clear()
            self[value] = decoded
        return decoded


TEXTS: Final = _Texts()


class Descriptions:
    """What the configuration says of attributes."""

    def __init__(self, request_headers: Iterable[str], response_headers: Iterable[str], safe: Collection[str]) -> None:
        self._requests = _captured("request", (name for name in request_headers if name.lower() != "user-agent"))
        self._responses = _captured("response", response_headers)
        self.wants_response = bool(self._responses)
        """Whether headers of answers must be kept."""
        self._safe = frozenset(safe)

    def server(self, described: Any) -> list[tuple[str, AttributeValue]]:
        """Of what `TraceWatch.finish` keeps."""
        (entry_point, method, target, version, size, lines, link, authority), status, answered = described
        pairs = _pairs(lines)
        named = dict(pairs)
        path, query = _split(target)
        client: Link = link
        found: list[tuple[str, AttributeValue]] = [
            ("entry_point", entry_point),
            ("http.request.method", TEXTS[method]),
            ("network.protocol.version", VERSIONS.get(version, "1.1")),
            ("http.request.body.size", -1 if size is None else size),
            ("url.path", TEXTS[path]),
            ("url.query", self.query(query)),
            ("url.scheme", TEXTS[named.get(b"x-forwarded-proto") or client.scheme]),
            ("user_agent.original", TEXTS[named.get(b"user-agent", b"")]),
            ("server.address", TEXTS[authority]),
            ("network.peer.address", client.client.host),
            ("network.peer.port", client.client.port),
            ("client.address", client.client.host),
            ("client.port", client.client.port),
        ]
        return self._with_outcome(found, pairs, status, answered)

    def client(self, described: Any) -> list[tuple[str, AttributeValue]]:
        """Of what `TraceWatch.attempted` keeps."""
        (method, path, query, lines, server), status, answered, version = described
        peer: Peer = server
        pairs = _pairs(lines)
        named = dict(pairs)
        scheme = "https" if peer.tls else "http"
        place = f"{peer.base_path.rstrip(b'/').decode()}{TEXTS[path]}" if peer.preserve_path else TEXTS[path]
        shown = f"?{self.query(query)}" if query is not None else ""
        found: list[tuple[str, AttributeValue]] = [
            ("http.request.method", TEXTS[method]),
            ("network.protocol.version", VERSIONS[version or (20 if peer.h2c else 11)]),
            ("url.full", f"{scheme}://{_user_info(peer.url)}{TEXTS[peer.authority]}{place}{shown}"),
            ("url.scheme", scheme),
            ("user_agent.original", TEXTS[named.get(b"user-agent", b"")]),
            ("network.peer.address", peer.host),
            ("network.peer.port", peer.port),
            ("server.address", peer.host),
            ("server.port", peer.port or _DEFAULT_PORTS[peer.tls]),
        ]
        return self._with_outcome(found, pairs, status, answered)

    def query(self, query: bytes | None) -> str:
        """With `REDACTED` in the place of values that nobody called safe."""
        if not query:
            return ""
        return "&".join(self._parameter(TEXTS[part]) for part in query.split(b"&"))

    def _parameter(self, part: str) -> str:
        name, _, value = part.partition("=")
        is_safe = unquote_plus(name) in self._safe and ";" not in value  # which some servers take for a separator
        return part if not part or is_safe else f"{name}={REDACTED}"

    def _with_outcome(
        self, found: list[tuple[str, AttributeValue]], pairs: Pairs, status: int, answered: Kept | None
    ) -> list[tuple[str, AttributeValue]]:
        if status:
            found.append(("http.response.status_code", status))
        found += _values(self._requests, pairs)
        if answered is not None:
            found += _values(self._responses, _pairs(answered))
        return found


def _captured(kind: str, names: Iterable[str]) -> Mapping[bytes, str]:
    return {name.lower().encode("latin-1", "replace"): f"http.{kind}.header.{name.lower()}" for name in names}


def _pairs(lines: Kept) -> Pairs:
    return lines.pairs() if isinstance(lines, Parsed) else lines


def _values(captured: Mapping[bytes, str], pairs: Pairs) -> list[tuple[str, Sequence[str]]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs if captured else ():
        if name in captured:
            found.setdefault(captured[name], []).append(TEXTS[value])
    return [(name, tuple(values)) for name, values in found.items()]


def _split(target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a request target, which may be a whole URL (RFC 9112 §3.2.2)."""
    path, mark, query = target.partition(b"?")
    if path[:1] != b"/" and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path, query if mark else None


def _user_info(url: str) -> str:
    """What stands in the place of a user and a password in the URL of a server."""
    return f"{REDACTED}:{REDACTED}@" if "@" in url.partition("://")[2].partition("/")[0] else ""


def without_user_info(text: str, url: str) -> str:
    """A text that names a server by its URL, as it may be shown."""
    hidden = _user_info(url)
    if not hidden:
        return text
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return text.replace(url, f"{scheme}://{hidden}{place.rpartition('@')[2]}{slash}{path}")
