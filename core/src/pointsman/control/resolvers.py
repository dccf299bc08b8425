"""Certificate resolvers, run beside the providers: what they are asked for, and how they prove names (operations.md §7)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs

from pointsman.api import (
    CertificateRequest,
    CertificateResolver,
    InternalRequest,
    InternalResponse,
    KeyPair,
    Provider,
    Publish,
)
from pointsman.catalogue import missing
from pointsman.compile.redirections import ACME
from pointsman.config.resolver_model import CertificatesResolver, provider_of
from pointsman.config.static import Static
from pointsman.control.merge import Tree
from pointsman.control.slices import in_slices
from pointsman.control.wanted import Wanting
from pointsman.control.workers import DataPlane, Unanswered
from pointsman.errors import ConfigError, Problem
from pointsman.plugins import Registry

KINDS: Final = tuple(attrs.fields_dict(CertificatesResolver))


class Challenges:
    """What whoever issues certificates asks for, to see that a name is ours. `acme-http@internal` answers one way of it."""

    def __init__(self) -> None:
        self.workers: Sequence[DataPlane] = ()
        self._tokens: dict[tuple[str, str], str] = {}
        self.shown: dict[str, Sequence[str]] = {}
        """Certificate and key, by the name that they prove: workers that start get it all."""
        self._telling = asyncio.Lock()

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """The content for this token at this host; 404 if nobody expects to be asked for it."""
        host = request.headers.get("host", "").rpartition("@")[2].lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        content = self._tokens.get((name.rstrip("."), request.path.removeprefix(ACME)))
        if content is None or request.method not in ("GET", "HEAD"):
            return InternalResponse(404, b"404 page not found\n")
        return InternalResponse(200, content.encode(), "application/octet-stream")

    def tell_http(self, host: str, token: str, content: str) -> Callable[[], None]:
        """Answer so from now on, until what is returned is called."""
        key = host.lower(), token
        self._tokens[key] = content

        def withdraw() -> None:
            self._tokens.pop(key, None)

        return withdraw

    async def tell_tls(self, host: str, pair: KeyPair) -> Callable[[], None]:
        """Have every worker show this certificate. OSError if one cannot be told."""
        host = host.lower()
        mine = self.shown[host] = [pair.certificate, pair.key]

        def withdraw() -> None:
            if self.shown.get(host) is mine:
                del self.shown[host]
                task = asyncio.ensure_future(self._tell(host))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())

        try:
            await self._tell(host)
        except BaseException:
            withdraw()
            raise
        return withdraw

    async def _tell(self, host: str) -> None:
        """Tell all workers what is shown now, which may be another's by the time that they are told.

        One that has ended is no failure: its clients wait for whoever takes its place, who gets all that is shown.
        """
        failed: Unanswered | None = None
        async with self._telling:
            for worker in self.workers:
                try:
                    await worker.ask("challenge", {"host": host, "pair": self.shown.get(host)})
                except Unanswered as error:
                    failed = failed if error.gone else error
        if failed is not None:
            raise OSError(f"the challenge cannot be answered: {failed}")


class Context:
    """A ResolverContext."""

    def __init__(self, name: str, challenges: Challenges) -> None:
        self._name = name
        self.answer_http = challenges.tell_http
        self.answer_tls = challenges.tell_tls

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.resolvers.{self._name}")


class Resolving:
    """A resolver as a provider, whose document is certificates: it is supervised like all of them."""

    name: ClassVar[str] = "certificates"
    Config: ClassVar[type] = Static
    throttled: ClassVar[bool] = False

    def __init__(self, resolver: CertificateResolver) -> None:
        self._resolver = resolver
        self._wanted: Sequence[CertificateRequest] | None = None
        self._news = asyncio.Event()

    def want(self, requests: Sequence[CertificateRequest]) -> None:
        """All that is wanted from now on."""
        if requests != self._wanted:
            self._wanted = requests
            self._news.set()

    async def provide(self, publish: Publish) -> None:
        def told(pairs: Sequence[KeyPair], problems: Sequence[Problem]) -> None:
            publish(
                {"tls": {"certificates": [{"certFile": one.certificate, "keyFile": one.key} for one in pairs]}}, problems
            )

        if self._wanted is not None:
            self._news.set()
        await self._resolver.resolve(self._changes(), told)

    async def _changes(self) -> AsyncIterator[Sequence[CertificateRequest]]:
        while True:
            await self._news.wait()
            self._news.clear()
            yield self._wanted or ()

    async def start(self) -> None:
        opening = getattr(self._resolver, "start", None)
        if opening is not None:
            await opening()

    async def aclose(self) -> None:
        closing = getattr(self._resolver, "aclose", None)
        if closing is not None:
            await closing()


class Resolvers:
    """All of a gateway's."""

    def __init__(self, static: Static, registry: Registry) -> None:
        self.challenges = Challenges()
        self.problems: list[Problem] = []
        """Of those that cannot be used: their routers are served with a certificate that is there."""
        self._wanting = Wanting(static, registry)
        self._resolving: dict[str, Resolving] = {}
        for name, options in static.certificates_resolvers.items():
            path = f"certificatesResolvers.{name}"
            kind = next((kind for kind in KINDS if getattr(options, kind) is not None), "")
            if not kind:
                continue  # the static checks have said so
            if kind not in registry.certificate_resolvers:
                known = registry.certificate_resolvers
                self.problems.append(Problem(f"{path}.{kind}", missing("certificate_resolvers", kind, known)))
                continue
            try:
                resolver = registry.certificate_resolvers[kind](getattr(options, kind), Context(name, self.challenges))
            except ConfigError as error:
                self.problems += [Problem(each.path or path, each.message) for each in error.problems]
            except Exception as error:  # a plugin's constructor may do anything
                self.problems.append(Problem(path, f"the plugin failed: {type(error).__name__}: {error}"))
            else:
                self._resolving[name] = Resolving(resolver)

    @property
    def providers(self) -> list[tuple[str, Provider]]:
        """By the names of what they provide."""
        return [(provider_of(name), each) for name, each in self._resolving.items()]

    async def follow(self, tree: Tree) -> Sequence[Problem]:
        """Ask for what this configuration wants, and say what is odd about it."""
        if not self._resolving:
            return ()
        wanted: Mapping[str, Any] = await in_slices(self._wanting.reading(tree))
        for name, resolving in self._resolving.items():
            resolving.want(wanted[name])
        return self._wanting.problems
