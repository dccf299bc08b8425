"""Stored passwords: how each is written, and how a password is compared with it (middlewares.md §3.2).

What is expensive on purpose, bcrypt and MD5-crypt, is for a thread; `cheap` says what is not.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from hmac import compare_digest
from typing import Final

import bcrypt
from passlib.handlers.md5_crypt import apr_md5_crypt, md5_crypt  # type: ignore[import-untyped]  # it has none

BCRYPT_BYTES: Final = 72
"""What bcrypt looks at of a password."""
SLOW_COST: Final = 15
"""From this bcrypt cost on a single check takes seconds."""
_BCRYPT: Final = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MD5_CRYPT: Final = re.compile(r"\$(apr1|1)\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}")
_SHA: Final = re.compile(r"\{SHA\}[A-Za-z0-9+/]{27}=")


class Stored:
    """A password as it is stored. `compute` makes of a password what `expected` is if it is the right one."""

    __slots__ = ("_compute", "_expected", "cheap", "cost", "identity")

    def __init__(self, text: str, compute: Callable[[bytes], bytes], expected: bytes, *, cheap: bool = False) -> None:
        self._compute = compute
        self._expected = expected
        self.cheap = cheap
        self.cost = 0
        """Of bcrypt: how many doublings of its work."""
        self.identity = text.encode()
        """What no other has, without NUL."""

    def matches(self, password: bytes) -> bool:
        try:
            return compare_digest(self._compute(password), self._expected)
        except ValueError:  # what the algorithm takes for no password: NUL bytes, too long
            return False

    def decoy(self) -> "Stored":
        """One that costs the same and that no password matches: for users who do not exist."""
        return Stored("decoy " + self.identity.decode(), self._compute, b"", cheap=self.cheap)

    def __repr__(self) -> str:
        return "<Stored, hidden>"


def stored(text: str) -> Stored | None:
    """A stored password as it is written; None for one that nothing can match."""
    if match := _BCRYPT.fullmatch(text):
        return _bcrypt(text, int(match[1]))
    if match := _MD5_CRYPT.fullmatch(text):
        handler = apr_md5_crypt if match[1] == "apr1" else md5_crypt
        salt = text.split("$")[2]
        return Stored(text, lambda password: handler.using(salt=salt).hash(password).encode(), text.encode())
    if _SHA.fullmatch(text):
        return Stored(text, _sha, text[len("{SHA}") :].encode(), cheap=True)
    return None


def _bcrypt(text: str, cost: int) -> Stored:
    """All four letters mean the same algorithm here, as they do to whoever wrote the dialect."""
    salt = b"$2b" + text[3:29].encode()
    result = Stored(text, lambda password: bcrypt.hashpw(password[:BCRYPT_BYTES], salt)[29:], text[29:].encode())
    result.cost = cost
    return result


def _sha(password: bytes) -> bytes:
    return b64encode(sha1(password, usedforsecurity=False).digest())
