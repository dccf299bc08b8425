"""Coming in at an authority, once for all that is asked there, with an account that is kept (operations.md §7.4)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pointsman.dialect.resolvers import ACME
from pointsman_acme.asking import AuthorityError
from pointsman_acme.authority import Authority
from pointsman_acme.keys import account_key
from pointsman_acme.store import Account, StoreError

ENTER_SECONDS: Final = 5.0
"""After an authority could not be entered, nobody tries for so long."""


class Entrance:
    """`keep` writes the account, and says whether it is written."""

    def __init__(self, config: ACME, keep: Callable[[], Awaitable[bool]]) -> None:
        self.account: Account | None = None
        self.authority: Authority | None = None
        """None until somebody has entered."""
        self._config = config
        self._keep = keep
        self._forgotten: Account | None = None
        self._entering: asyncio.Task[Authority] | None = None
        self._shut: tuple[float, AuthorityError] | None = None
        """When it may be tried again to enter, and what was wrong."""

    def come_as(self, account: Account | None) -> None:
        """With this stored account, if it is at this authority."""
        here = account is not None and urlsplit(account.uri).netloc == urlsplit(self._config.ca_server).netloc
        self.account = account if here else None

    async def entered(self) -> Authority:
        """The authority, with an account there that is kept before anything is ordered. AuthorityError, StoreError."""
        if self.authority is not None and not self.authority.lost:
            return self.authority
        if self._shut is not None and time.monotonic() < self._shut[0]:
            until, error = self._shut
            raise error.until(until - time.monotonic() if error.retry_after else 0.0)
        if self._entering is None or self._entering.done():
            self._entering = asyncio.create_task(self._enter())
            self._entering.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._entering)  # an account that is made is not to be lost

    async def enter_anew(self, authority: Authority) -> Authority:
        """The same after that one has forgotten the account: with its key."""
        if self.authority is authority:
            self.authority, self.account, self._forgotten = None, None, self.account
        return await self.entered()

    def leave(self) -> Sequence[asyncio.Task[Any]]:
        """What is under way, to be cancelled."""
        entering, self._entering, self.authority = self._entering, None, None
        return [entering] if entering is not None else []

    async def _enter(self) -> Authority:
        authority = Authority(self._config, self.account, self._account_key)
        try:
            account = await authority.enter()
        except AuthorityError as error:
            message = f"the certificate authority {authority.host}: {error}"
            told = AuthorityError(message, refused=error.refused).until(error.retry_after)
            self._shut = time.monotonic() + max(ENTER_SECONDS * 0.8, error.retry_after), told
            raise told from None
        self._shut, self.authority = None, authority
        if account is not self.account:
            self.account = account
            if not await self._keep():
                raise StoreError("nothing is ordered while the storage cannot be written")
        return authority

    def _account_key(self) -> bytes:
        """That of an account which the authority has forgotten, or a new one."""
        return self._forgotten.key if self._forgotten is not None else account_key()
