"""basicAuth (middlewares.md §3.2): a name and a password with each request, checked beside the loop."""

import logging
import time
from collections.abc import Awaitable, Iterator
from hmac import digest
from typing import ClassVar, Final

from attrs import field, frozen
from attrs.validators import optional

from pointsman import BuildContext, Handler, Request, Response, Secret, TextFile
from pointsman.errors import ConfigError, Problem
from pointsman_auth.credentials import basic
from pointsman_auth.hashes import SLOW_COST, Stored, stored
from pointsman_auth.identity import Identity, usable_field
from pointsman_auth.refusal import quotable, quoted, refused
from pointsman_auth.users import Line, in_file, in_list, is_name, well_formed
from pointsman_auth.verifier import VERIFIER, Busy

KIND: Final = "BasicUser"
WORD_EVERY_SECONDS: Final = 60.0


@frozen
class BasicAuthConfig:
    users: tuple[Secret, ...] = field(default=(), repr=False)
    users_file: TextFile | None = field(default=None, validator=optional(well_formed(KIND, 2)))
    realm: str = field(default="traefik", validator=quotable)
    remove_header: bool = False
    header_field: str = field(default="", validator=usable_field)


class BasicAuth:
    name: ClassVar[str] = "basicAuth"
    Config: ClassVar[type] = BasicAuthConfig

    def __init__(self, config: BasicAuthConfig, context: BuildContext) -> None:
        self._logger = context.logger
        self._users = _table(config, context.logger)
        self._stored = tuple(self._users.values())
        self._secret = context.shared.secret
        self._challenge = b"Basic realm=" + quoted(config.realm or "traefik")
        self._identity = Identity(config.header_field, config.remove_header)
        self._refused_busy = 0
        self._quiet_until = 0.0
        self.verifier = VERIFIER

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        credentials = basic(request.headers.get(b"authorization"))
        if credentials is None:
            return refused(request, self._challenge)
        user, password = credentials
        secret = self._users.get(user)
        if secret is None and not is_name(user):
            return refused(request, self._challenge)  # what is no name is nobody's: neither for logs nor for servers
        request.exchange.user = user
        if secret is None:
            if not self._stored:
                return refused(request, self._challenge)
            secret = self._decoy(user)
        right = self.verifier.at_once(secret, password)
        if right is None:
            return self._checked(request, call_next, secret, user, password)
        return self._answered(request, call_next, right, user)

    async def _checked(self, request: Request, call_next: Handler, secret: Stored, user: bytes, password: bytes) -> Response:
        try:
            right = await self.verifier.check(secret, password)
        except Busy:
            return self._busy(request)
        return await self._answered(request, call_next, right, user)

    def _answered(self, request: Request, call_next: Handler, right: bool, user: bytes) -> Awaitable[Response]:
        if not right:
            return refused(request, self._challenge)
        self._identity.confirm(request, user)
        return call_next(request)

    def _decoy(self, user: bytes) -> Stored:
        """What the password of somebody who does not exist is compared with: always the same, and of each cost as often as
        users have it, so that time does not tell who exists."""
        number = int.from_bytes(digest(self._secret, user, "sha256")[:8], "big")
        return self._stored[number % len(self._stored)].decoy()

    def _busy(self, request: Request) -> Response:
        request.exchange.refuse("Too many password checks are waiting")
        self._refused_busy += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + WORD_EVERY_SECONDS
            self._logger.warning("too many password checks wait; %d requests got a 503 so far", self._refused_busy)
        response = Response.text(503, "Too many password checks are waiting\n")
        response.headers.add(b"retry-after", b"1")
        return response


def _table(config: BasicAuthConfig, logger: logging.Logger) -> dict[bytes, Stored]:
    """Who may come in."""
    table: dict[bytes, Stored | None] = {}
    for place, (name, text) in _lines(config):
        secret = table[name.encode("utf-8", "replace")] = stored(text)
        if secret is None:
            what = "no password can match this hash; write bcrypt, apr1, MD5-crypt ($1$) or {SHA}, as htpasswd does"
            logger.warning("%s: this user is never let in: %s", place, what)
        elif secret.cost >= SLOW_COST:
            message = "%s: a bcrypt cost of %d makes each check of this user take seconds, and some wait in vain"
            logger.warning(message, place, secret.cost)
    if not table:
        where = f" in {config.users_file.path}" if config.users_file is not None else ""
        raise ConfigError(Problem("", f"no users found{where}, so nobody could come in; name some in users or usersFile"))
    return {name: secret for name, secret in table.items() if secret is not None}


def _lines(config: BasicAuthConfig) -> Iterator[Line]:
    """Those of the file first: of two with one name the later counts."""
    yield from in_file(config.users_file, KIND, 2)
    yield from in_list(config.users, "users", KIND, 2)
