"""digestAuth (middlewares.md §3.8, RFC 7616): a password that never travels, in answers that cannot be repeated."""

import logging
import re
from collections.abc import Awaitable, Mapping
from hashlib import md5, sha256
from hmac import compare_digest
from typing import ClassVar, Final

from attrs import field, frozen
from attrs.validators import optional

from pointsman import BuildContext, Handler, Request, Response, Secret, TextFile, normalise
from pointsman_auth.credentials import digest
from pointsman_auth.identity import Identity, usable_field
from pointsman_auth.nonces import Nonces
from pointsman_auth.refusal import quotable, quoted, refused
from pointsman_auth.users import in_file, in_list, is_name, printable, well_formed

KIND: Final = "DigestUser"
NOBODY: Final = b"0" * 32
"""What the answer of a user who does not exist is compared with."""
_HA1: Final = re.compile(r"[0-9a-fA-F]{32}")
_COUNT: Final = re.compile(rb"[0-9a-fA-F]{1,8}")


@frozen
class DigestAuthConfig:
    users: tuple[Secret, ...] = field(default=(), repr=False)
    users_file: TextFile | None = field(default=None, validator=optional(well_formed(KIND, 3)))
    realm: str = field(default="traefik", validator=quotable)
    remove_header: bool = False
    header_field: str = field(default="", validator=usable_field)


class DigestAuth:
    name: ClassVar[str] = "digestAuth"
    span_name: ClassVar[str] = "digestAuth"
    Config: ClassVar[type] = DigestAuthConfig

    def __init__(self, config: DigestAuthConfig, context: BuildContext) -> None:
        realm = config.realm or "traefik"
        self._secrets = _table(config, realm, context.logger)
        self._identity = Identity(config.header_field, config.remove_header)
        self._opaque = sha256(f"{context.name} {realm}".encode()).hexdigest()[:16].encode()
        self._begin = b"Digest realm=" + quoted(realm) + b', nonce="'
        self._end = b'", opaque="' + self._opaque + b'", %balgorithm="MD5", qop="auth"'
        self.nonces = Nonces(context.shared)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        said = digest(request.headers.get(b"authorization"))
        if said is None:
            return self._refused(request)
        user = said.get(b"username", b"")
        if not is_name(user):
            return self._refused(request)
        request.exchange.user = user
        if not self._is_right(said, request, user):
            return self._refused(request)
        nonce, count = said[b"nonce"], int(said[b"nc"], 16)
        if not self.nonces.is_good(nonce, request.authority):
            return self._refused(request, stale=True)  # it knows the password: it need not ask for it once more
        highest = self.nonces.highest_before(nonce, count)
        if count <= highest:
            return self._refused(request, stale=count < highest)
        self._identity.confirm(request, user)
        return call_next(request)

    def _is_right(self, said: Mapping[bytes, bytes], request: Request, user: bytes) -> bool:
        """Whether who answers knows the password, and answers for this request."""
        get = said.get
        uri, nonce, count, cnonce = (get(name, b"") for name in (b"uri", b"nonce", b"nc", b"cnonce"))
        if not (
            compare_digest(get(b"opaque", b""), self._opaque)
            and get(b"algorithm", b"MD5") == b"MD5"
            and get(b"qop") == b"auth"
            and _COUNT.fullmatch(count)
            and is_target(uri, request)
        ):
            return False
        secret = self._secrets.get(user, NOBODY)
        asked = _md5(request.method + b":" + uri)
        expected = _md5(b":".join((secret, nonce, count, cnonce, b"auth", asked)))
        return compare_digest(expected, get(b"response", b"")) and secret is not NOBODY

    def _refused(self, request: Request, stale: bool = False) -> Response:
        nonce = self.nonces.fresh(request.authority)
        challenge = self._begin + nonce + self._end % (b'stale="true", ' if stale else b"")
        return refused(request, challenge, "Digest authentication failed")


def is_target(uri: bytes, request: Request) -> bool:
    """Whether a client that says `uri` means the target that the request has at this point of the chain."""
    target = request.path if request.query is None else request.path + b"?" + request.query
    if uri == target:
        return True
    path, mark, query = uri.partition(b"?")
    try:
        return normalise(path) + mark + query == target  # the client may write %2f where the gateway writes %2F
    except ValueError:
        return False


def _md5(text: bytes) -> bytes:
    return md5(text, usedforsecurity=False).hexdigest().encode()


def _table(config: DigestAuthConfig, realm: str, logger: logging.Logger) -> dict[bytes, bytes]:
    """HA1 by name, of those in this realm; of two with one name the later counts."""
    table: dict[bytes, bytes] = {}
    others = 0
    for lines in (in_file(config.users_file, KIND, 3), in_list(config.users, "users", KIND, 3)):
        for place, (name, own_realm, ha1) in lines:
            if own_realm != realm:
                others += 1
                continue
            key = name.encode("utf-8", "replace")
            table.pop(key, None)
            if _HA1.fullmatch(ha1):
                table[key] = ha1.lower().encode()
                continue
            message = "%s: this user is never let in: HA1 is 32 hexadecimal digits, the MD5 of name:realm:password"
            logger.warning(message, place)
    if not table:
        logger.warning("there is no user of realm %s (%d of others), so nobody is let in", printable(realm), others)
    return table
