"""One resolver: what is wanted is ordered, what runs out is renewed, what failed is tried again (operations.md §7.4, §7.5).

Theory of operation. One task per certificate that is wanted and not there, or due: it orders, proves every name, fetches,
and keeps the result in the store; when that fails it waits and begins again, for as long as the certificate is wanted. All
tasks end when `resolve` does.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from attrs import evolve

from pointsman import CertificateRequest, KeyPair, PublishCertificates, ResolverContext
from pointsman.dialect.resolvers import ACME
from pointsman.errors import ConfigError, Problem
from pointsman_acme import schedule
from pointsman_acme.asking import AuthorityError, in_thread
from pointsman_acme.entrance import Entrance
from pointsman_acme.holdings import Holdings, Names
from pointsman_acme.keys import DEFAULT_TYPE, TYPES, excess, flaw, is_sound, new_key, request_for
from pointsman_acme.proving import Proving
from pointsman_acme.store import Store, Stored, StoreError, store_at

V1: Final = "acme-v01.api.letsencrypt.org"
MAX_AT_ONCE: Final = 8
STORE_SECONDS: Final = 10.0
"""Between two tries to use a file that cannot be used."""
MAX_REMEMBERED: Final = 10_000
TELL_SECONDS: Final = 0.05
"""How long news is gathered: a thousand names that fail are told of at once."""
CHATTY: Final = ("acme", "urllib3", "requests", "lexicon", "botocore", "josepy")
"""Libraries whose log at DEBUG has all that is sent, credentials of DNS providers among it."""


class AcmeResolver:
    """What does the work of `Acme`."""

    def __init__(self, config: ACME, context: ResolverContext) -> None:
        for library in CHATTY:
            logging.getLogger(library).setLevel(logging.INFO)
        self._path = f"certificatesResolvers.{context.name}"
        if V1 in config.ca_server:
            context.logger.warning("%s.acme.caServer: version 1 of Let's Encrypt is gone; version 2 is used", self._path)
            config = evolve(config, ca_server=config.ca_server.replace(V1, "acme-v02.api.letsencrypt.org"))
        self._config = config
        self._context = context
        self._key_type = config.key_type if config.key_type in TYPES else DEFAULT_TYPE
        if self._key_type != config.key_type:
            context.logger.info("%s: unknown keyType %r; %s is used", self._path, config.key_type, DEFAULT_TYPE)
        self._proving = Proving(config, context)
        self._store: Store = store_at(config.storage)
        self._entrance = Entrance(config, self._save)
        self._busy: set[str] = set()
        """Names that are being proven: of two orders for a name one waits."""
        self._freed = asyncio.Condition()
        self._waking: set[asyncio.Future[None]] = set()
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._wanted: Sequence[CertificateRequest] = ()
        self._tasks: dict[Names, asyncio.Task[None]] = {}
        self._troubles: dict[Names, Problem] = {}
        self._holdings = Holdings(config.certificates_duration)
        self._patience: dict[Names, tuple[int, float]] = {}
        """Of what failed: how often, and until when it is left alone, whether it is wanted meanwhile or not."""
        self._keeping = threading.Lock()
        self._unkept = False
        self._telling: asyncio.TimerHandle | None = None
        self._publish: PublishCertificates = lambda pairs, problems: None

    async def resolve(self, wanted: AsyncIterator[Sequence[CertificateRequest]], publish: PublishCertificates) -> None:
        """See CertificateResolver."""
        self._publish = publish
        await self._opened()
        self._entrance.come_as(self._store.account(self._context.name))
        stored = self._store.certificates(self._context.name)
        self._holdings.broken = await asyncio.to_thread(
            lambda: {each.names for each in stored if flaw(each.names, each.pair)}
        )
        self._holdings.have(stored)
        self._tell()
        looking = asyncio.create_task(self._look_now_and_then())
        try:
            async for requests in wanted:
                self._wanted = requests
                self._look()
        finally:
            tasks: list[asyncio.Task[Any]] = [looking, *self._entrance.leave(), *self._tasks.values()]
            self._tasks.clear()
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        self._store.close()

    async def _opened(self) -> None:
        """Wait until the file can be used. Meanwhile routers of this resolver have to do without it."""
        while True:
            try:
                await asyncio.to_thread(self._store.load)
            except StoreError as error:
                message = f"{error}; routers of this resolver have to do without it"
                self._publish([], [Problem(f"{self._path}.acme.storage", message, warning=True, loud=True)])
                await asyncio.sleep(STORE_SECONDS)
            else:
                return

    # what is to be done

    async def _look_now_and_then(self) -> None:
        loop = asyncio.get_running_loop()
        next_look = loop.time() + schedule.interval(self._config.certificates_duration)
        while True:
            await asyncio.sleep(min(STORE_SECONDS, max(0.0, next_look - loop.time())))
            if self._unkept:
                await self._save()
            if loop.time() >= next_look:
                await self._ask_when()
                self._look()
                next_look = loop.time() + schedule.interval(self._config.certificates_duration)

    async def _ask_when(self) -> None:
        """What the authority says of when to renew."""
        authority = self._entrance.authority
        for stored in self._holdings.in_use(self._wanted) if authority is not None else ():
            if authority is not None:
                when = await authority.wants_renewal(stored.pair.certificate)
                if when is not None:
                    self._holdings.wishes[stored.names] = when

    def _look(self) -> None:
        """Begin what is wanted and missing or due, and end what nobody wants any more."""
        asked: dict[Names, CertificateRequest] = {}
        all_wanted = {name for request in self._wanted for name in request.names}
        for request in self._wanted:
            holder = self._holdings.holder(request.names)
            if holder is None or self._holdings.is_due(holder):
                names = request.names if holder is None or not all_wanted.issuperset(holder.names) else holder.names
                asked.setdefault(names, CertificateRequest(names, request.origin, request.rule))
        for names in [names for names, task in self._tasks.items() if names not in asked or task.done()]:
            self._tasks.pop(names).cancel()
            self._troubles.pop(names, None)
        for names, request in asked.items():
            if names not in self._tasks:
                self._tasks[names] = asyncio.create_task(self._obtain(request))
        self._tell()

    # one certificate

    async def _obtain(self, request: CertificateRequest) -> None:
        """Until it is there."""
        names = request.names
        failures, until = self._patience.get(names, (0, 0.0))
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        while True:
            try:
                async with self._alone(names), self._room:
                    await self._order(request)
            except Exception as error:  # libraries that speak with strangers may raise anything
                failures += 1
                refused = isinstance(error, AuthorityError) and error.refused
                after = error.retry_after if isinstance(error, AuthorityError) else 0.0
                wait = schedule.wait_after(failures, refused=refused or isinstance(error, ConfigError), retry_after=after)
                known = isinstance(error, AuthorityError | StoreError | ConfigError | OSError | ValueError)
                self._patience.pop(names, None)  # the latest is the last
                self._patience[names] = failures, time.monotonic() + wait
                while len(self._patience) > MAX_REMEMBERED:
                    del self._patience[next(iter(self._patience))]
                why = str(error) if known else f"{type(error).__name__}: {error}"[:200]
                if after:
                    why += f"; it wants to be left alone, so it is asked again at {schedule.as_utc(time.time() + wait)}"
                self._complain(request, why, wait)
                await asyncio.sleep(wait)
            else:
                self._patience.pop(names, None)
                self._troubles.pop(names, None)
                self._tell()
                return

    @asynccontextmanager
    async def _alone(self, names: Names) -> AsyncIterator[None]:
        """While no other order is about one of these names."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._busy.isdisjoint(names))
            self._busy.update(names)
        try:
            yield
        finally:
            self._busy.difference_update(names)
            waking = asyncio.ensure_future(self._wake())
            self._waking.add(waking)
            waking.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._freed:
            self._freed.notify_all()

    def _complain(self, request: CertificateRequest, why: str, wait: float) -> None:
        domains = ", ".join(request.names)
        self._troubles[request.names] = Problem(
            self._path, f"unable to obtain certificate for domains [{domains}] of {request.origin}: {why}", True, loud=True
        )
        self._context.logger.info(
            "%s: certificate for %s: %s; tried again in %d s",
            self._path,
            domains,
            why,
            wait,
            extra={"providerName": f"{self._context.name}.acme", "domains": list(request.names), "rule": request.rule},
        )
        self._tell()

    async def _order(self, request: CertificateRequest) -> None:
        config, names = self._config, request.names
        self._proving.check(names)
        before = self._holdings.named(names)
        if before is not None and not self._holdings.is_due(before):
            return
        if self._unkept and not await self._save():
            raise StoreError("nothing is ordered while the storage cannot be written")
        authority = await self._entrance.entered()
        what = "renews" if before is not None else "orders"
        self._context.logger.info("%s: %s the certificate for %s", self._path, what, ", ".join(names))
        key = (
            before.pair.key if before is not None and is_sound(before.pair.key) else await in_thread(new_key, self._key_type)
        )
        csr = await in_thread(_signing_request, names, key, config)
        try:
            order = await authority.order(csr)
        except AuthorityError as error:
            if not error.stranger:
                raise
            authority = await self._entrance.enter_anew(authority)
            order = await authority.order(csr)
        async with AsyncExitStack() as proving:
            chosen = [self._proving.chosen(ways) for ways in order.proofs]
            for proof in chosen:
                await self._proving.set_up(proof, proving)
            for proof in chosen:
                await authority.prove(proof)
        pair = KeyPair(await authority.fetch(order), key)
        wrong = flaw(names, pair) or excess(names, pair.certificate)
        if wrong:
            raise AuthorityError(f"the certificate that the authority gave {wrong}; it is not used", refused=True)
        self._holdings.add(Stored(names, pair))
        await self._save()  # it is in use, kept or not
        self._context.logger.info("%s: has a certificate for %s", self._path, ", ".join(names))

    async def _save(self) -> bool:
        """Write it all; if that fails, it is said and tried again for as long as it takes."""
        try:
            await asyncio.to_thread(self._keep)
        except StoreError as error:
            self._unkept = True
            self._troubles[()] = Problem(f"{self._path}.acme.storage", f"{error}; tried again", True, loud=True)
        else:
            self._unkept = False
            self._troubles.pop((), None)
        self._tell()
        return not self._unkept

    def _keep(self) -> None:
        with self._keeping:  # of two threads the later writes what is there then
            self._store.keep(self._context.name, self._entrance.account, self._holdings.all)

    def _tell(self) -> None:
        """Soon."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._told)

    def _told(self) -> None:
        self._telling = None
        self._publish([each.pair for each in self._holdings.all], list(self._troubles.values()))


def _signing_request(names: Names, key: str, config: ACME) -> bytes:
    return request_for(names, key, common_name=not config.disable_common_name, emails=config.email_addresses)
