"""Sticky cookies (routing.md §5.3): which server or child a client had before, and how it is told the one it has now. Pure.

What a cookie may say is worked out while a configuration is built: a request costs a look into its Cookie header and one
into a dictionary. Services without sticky know nothing of this.
"""

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from hashlib import sha1, sha256
from typing import Final, Generic, TypeVar

from pointsman.config.http_model import Cookie
from pointsman.dialect.fnv import fnv1
from pointsman.message import Request

T = TypeVar("T")

_NOT_IN_NAMES: Final = re.compile(r"[^0-9A-Za-z!#$%&'*+\-.^_`|~]")
_NOT_IN_PATHS: Final = re.compile(r"[^\x20-\x3a\x3c-\x7e]")
_LABEL: Final = r"[0-9A-Za-z](?:[-0-9A-Za-z]{0,61}[0-9A-Za-z])?"
_DOMAIN: Final = re.compile(rf"\.?{_LABEL}(?:\.{_LABEL})*")
_SAME_SITE: Final = {"none": "; SameSite=None", "lax": "; SameSite=Lax", "strict": "; SameSite=Strict"}


class Sticky(Generic[T]):
    """The cookie of one service, over what it chooses from, each under its key (server URL, or name of a child service)."""

    __slots__ = ("_attributes_after", "_attributes_before", "_expires", "_known", "_name", "_values")

    def __init__(self, cookie: Cookie, service: str, choices: Iterable[tuple[str, T]]) -> None:
        self._name = cookie_name(cookie, service).encode()
        self._attributes_before, self._attributes_after = _attributes(cookie)
        self._expires = cookie.expires
        self._known: dict[bytes, tuple[T, bool]] = {}
        self._values: dict[T, bytes] = {}
        for key, choice in choices:
            value = current_value(key)
            self._values[choice] = value
            self._known.setdefault(value, (choice, True))
            for former in former_values(key):
                self._known.setdefault(former, (choice, False))

    def find(self, request: Request) -> tuple[T | None, bool]:
        """Whom the client's cookie names, and whether it says so in the current form; (None, False) if nobody."""
        name = self._name
        for key, line in request.headers.pairs():
            if key == b"cookie" and name in line:
                for pair in line.split(b";"):
                    one, _, value = pair.partition(b"=")
                    if one.strip(b" \t") == name:
                        return self._known.get(value.strip(b' \t"'), (None, False))
        return None, False

    def line(self, choice: T) -> tuple[bytes, bytes]:
        """The Set-Cookie line that keeps a client with `choice`."""
        expires = b""
        if self._expires > 0:
            expires = b"; Expires=" + formatdate(time.time() + self._expires, usegmt=True).encode()
        return b"set-cookie", b"".join(
            (self._name, b"=", self._values[choice], self._attributes_before, expires, self._attributes_after)
        )

    def __repr__(self) -> str:
        return f"<Sticky {self._name.decode()} over {len(self._values)}>"


def cookie_name(cookie: Cookie, service: str) -> str:
    """The name as given, what no cookie name may hold replaced; or one made from the service's full name."""
    if cookie.name:
        return _NOT_IN_NAMES.sub("_", cookie.name)
    return "_" + sha1(f"_TRAEFIK_BACKEND_{service}".encode(), usedforsecurity=False).hexdigest()[:5]


def current_value(key: str) -> bytes:
    return sha256(key.encode()).hexdigest()[:16].encode()


def former_values(key: str) -> list[bytes]:
    """What older versions of the dialect wrote: the key itself, its FNV-1, and the FNV-1 of that."""
    hashed = b"%x" % fnv1(key.encode())
    return [key.encode(), hashed, b"%x" % fnv1(hashed)]


def _attributes(cookie: Cookie) -> tuple[bytes, bytes]:
    """What stands before and after Expires, without what no path may hold, and without a domain that is none."""
    before = ""
    if path := _NOT_IN_PATHS.sub("", cookie.path):
        before += f"; Path={path}"
    if cookie.domain and _DOMAIN.fullmatch(cookie.domain):
        before += f"; Domain={cookie.domain.removeprefix('.')}"
    after = ""
    if cookie.max_age:
        after += f"; Max-Age={max(0, cookie.max_age)}"
    after += "; HttpOnly" if cookie.http_only else ""
    after += "; Secure" if cookie.secure else ""
    after += _SAME_SITE.get(cookie.same_site.lower(), "")
    return before.encode(), after.encode()
