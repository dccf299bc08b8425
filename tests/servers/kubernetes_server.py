"""An API server of Kubernetes for tests, over real HTTP, in a thread of its own.

Kubernetes itself cannot be installed from the packages that tests may use, so this follows its documentation of the API:
lists in pieces, watches with bookmarks, watch-lists, versions that are gone, rights, conflicts, `/status`. Real Traefik and
kubectl read it, too (`tests/oracle/kubernetes.py`, `test_kubernetes_server.py`), by Kubernetes' own client library.

    with kubernetes_server() as server:
        server.apply(WEB)                    # YAML manifests, or plain data
        server.forbid("secrets")             # as if the Role did not name them
        server.delete(SERVICE, "web")

Everything may be called from the test's thread, before and while it runs.
"""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from pointsman.testing import free_port
from pointsman_kubernetes.kinds import Kind

from .kubernetes_answers import Answers, Watch
from .kubernetes_store import KINDS, Object, Shelf, kind_key


class KubernetesServer(Answers):
    """Give it objects and rights; its switches are those of Answers."""

    def __init__(self, kinds: Iterable[Kind] = KINDS, *, tls: bool = False) -> None:
        super().__init__(kinds)
        self.store.changed = self._wake
        self.port = free_port()
        self.authority = trustme.CA() if tls else None
        self.client_authority: trustme.CA | None = None
        """Who signs certificates of clients, which it then demands."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # What is in the cluster

    def apply(self, *manifests: str | Mapping[str, Any]) -> None:
        """Create or replace objects; without a namespace in `default`. Their status is taken as it is given."""
        self.store.apply(*manifests)

    def delete(self, kind: Kind, name: str, namespace: str = "default") -> None:
        self.store.delete(kind, name, namespace)

    def get(self, kind: Kind, name: str, namespace: str = "default") -> Object:
        return self.store.get(kind, name, namespace)

    def add_kind(self, kind: Kind) -> None:
        """As if its CustomResourceDefinition came now."""
        self.store.shelves.setdefault(kind_key(kind), Shelf(kind))

    def remove_kind(self, kind: Kind) -> None:
        self.store.shelves.pop(kind_key(kind), None)

    # What may be done

    def forbid(self, resource: str, *verbs: str, except_in: Sequence[str] = ()) -> None:
        """As rights name it, `services`, `ingresses.networking.k8s.io/status`: these verbs (all), but in some namespaces."""
        for verb in verbs or ("*",):
            self._forbidden[resource, verb] = except_in

    def allow(self, resource: str) -> None:
        """Take back what was forbidden."""
        for key in [each for each in self._forbidden if each[0] == resource]:
            del self._forbidden[key]

    # What happens to watches

    def bookmark(self) -> None:
        """Tell every watch of the newest version."""
        self._tell(lambda watch: setattr(watch, "bookmarks", watch.bookmarks + 1))

    def expire(self) -> None:
        """Forget the history, and end every watch with 410."""
        self.store.compact()
        self._tell(lambda watch: setattr(watch, "expired", True))

    def hang_up(self) -> None:
        """End every watch, as servers do now and then."""
        self._tell(lambda watch: setattr(watch, "over", True))

    def watching(self, kind: Kind | None = None) -> int:
        """How many watches there are now, of a kind or at all."""
        return sum(kind is None or kind_key(each.kind) == kind_key(kind) for each in list(self._watches))

    # What was asked

    def writes(self) -> list[str]:
        """`PUT /apis/...` of all that changes something."""
        return [f"{each.method} {each.path}" for each in self.asked if each.method != "GET"]

    # How it is reached

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def kubeconfig(self, path: Path, user: Mapping[str, Any] | None = None, **cluster: Any) -> Path:
        """Write one that leads here; `user` and more of `cluster` as it is written in such a file."""
        if self.authority:
            authority = base64.b64encode(self.authority.cert_pem.bytes()).decode()
            cluster = {"certificate-authority-data": authority, **cluster}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": self.url, **cluster}}],
            "users": [{"name": "me", "user": dict(user or {})}],
        }
        path.write_text(json.dumps(content))
        return path

    def start(self) -> None:
        """Listen, with all that was there before."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True, name="kubernetes")
        self._thread.start()
        if not ready.wait(10) or self._loop is None:
            raise RuntimeError("the API server does not start")

    def stop(self) -> None:
        """Drop every connection and do not listen any more. Safe when it has not begun."""
        if self._loop is not None and self._thread is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._loop = None

    async def _run(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        app = web.Application(middlewares=[self.guard], client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.05, access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls()).start()
            self._loop = asyncio.get_running_loop()
            ready.set()
            await self._stop.wait()
        finally:
            ready.set()
            await runner.cleanup()

    def _tls(self) -> ssl.SSLContext | None:
        if self.authority is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", "kubernetes.default.svc").configure_cert(context)
        if self.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            self.client_authority.configure_trust(context)
        return context

    def _wake(self) -> None:
        self._tell(lambda watch: None)

    def _tell(self, what: Callable[[Watch], None]) -> None:
        def told() -> None:
            for watch in self._watches:
                what(watch)
                watch.wake.set()

        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(told)


@contextmanager
def kubernetes_server(*manifests: str, tls: bool = False, kinds: Iterable[Kind] = KINDS) -> Iterator[KubernetesServer]:
    """A running one, with these objects."""
    server = KubernetesServer(kinds, tls=tls)
    server.apply(*manifests)
    server.start()
    try:
        yield server
    finally:
        server.stop()
