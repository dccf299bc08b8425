"""What a yes changes: headers of the request, and cookies of the answer that the client gets (§3.11, 9 and 10)."""

from collections.abc import Callable, Collection
from typing import Any

from pointsman.dialect.vouching.names import OF_THE_CONNECTION, Remembered, canonical, plain
from pointsman.message import Headers, Request, Response

Line = tuple[bytes, bytes]


class _Managed(Remembered):
    """Whether headers of this name are the authentication server's to say."""

    def __init__(self, listed: Collection[bytes], pattern: Any) -> None:
        super().__init__()
        self._listed = frozenset(map(plain, listed))
        self._pattern = pattern

    def ask(self, name: bytes) -> bool:
        if name in OF_THE_CONNECTION:
            return False
        if plain(name) in self._listed:
            return True
        return self._pattern is not None and any(
            self._pattern.search(canonical(spelling)) for spelling in (name, plain(name))
        )


class _Copied(Remembered):
    """Whether the authentication server's headers of this name are copied: in exactly this spelling."""

    def __init__(self, listed: Collection[bytes], pattern: Any) -> None:
        super().__init__()
        self._listed = frozenset(listed)
        self._pattern = pattern

    def ask(self, name: bytes) -> bool:
        if name in OF_THE_CONNECTION:
            return False
        return name in self._listed or (self._pattern is not None and bool(self._pattern.search(canonical(name))))


class Grant:
    """Puts what the authentication server says of a client in place of what the client says of itself.

    In whatever spelling the client says it, for some servers cannot tell `X_Auth_User` from `X-Auth-User`.
    """

    def __init__(self, listed: Collection[bytes], pattern: Any = None) -> None:
        """`listed`: names of headers, in lower case; `pattern`: a compiled one for further names."""
        self._changes = bool(listed) or pattern is not None
        self._managed = _Managed(listed, pattern)
        self._copied = _Copied(listed, pattern)

    def apply(self, request: Request, answer: Headers) -> None:
        """ValueError if the answer holds what no header may."""
        if not self._changes:
            return
        managed, copied = self._managed, self._copied
        headers = Headers([line for line in request.headers if not managed[line[0]]])
        for name, value in answer:
            if copied[name]:
                headers.add(name, value)
        if b"connection" in headers:  # what the client names there are its own headers; it cannot name these away
            headers.raw = [self._not_naming(line) for line in headers.raw]
        request.headers = headers
        request.withheld += (managed.__getitem__,)

    def _not_naming(self, line: Line) -> Line:
        if line[0] != b"connection":
            return line
        tokens = [token.strip(b" \t") for token in line[1].split(b",")]
        return line[0], b", ".join(token for token in tokens if not self._managed[token.lower()])


class Cookies:
    """Cookies that the authentication server sets for clients that may come in, in place of the service's own."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name.encode() for name in names)

    def edit(self, answer: Headers) -> Callable[[Response], None] | None:
        """What is to be done to the service's answer; None if there is nothing."""
        if not self._names:
            return None
        cookies = [line for line in answer if line[0] == b"set-cookie"]
        if not cookies:
            return None
        chosen = [line for line in cookies if self._is_listed(line)]

        def edit(response: Response) -> None:
            raw = response.headers.raw
            raw[:] = [line for line in raw if line[0] != b"set-cookie" or not self._is_listed(line)]
            for line in chosen:
                response.headers.add(*line)

        return edit

    def _is_listed(self, line: Line) -> bool:
        return line[1].partition(b";")[0].partition(b"=")[0].strip(b" \t") in self._names
