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
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import trustme
from aiohttp import web
from attrs import define, frozen

from pointsman.testing import free_port
from pointsman_kubernetes.kinds import Kind

from .kubernetes_store import KINDS, Object, Refused, Store, api_of, gone, kind_key, selecting

ANYBODY: Final = "system:anonymous"
USER: Final = "system:serviceaccount:default:pointsman"
_BUILT_IN: Final = ("", "discovery.k8s.io", "networking.k8s.io")
Interference = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@frozen
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    token: str
    agent: str


@define(eq=False)
class Watch:
    """Somebody who listens."""

    kind: Kind
    wake: asyncio.Event
    bookmarks: int = 0
    """How many to send now."""
    expired: bool = False
    over: bool = False


class KubernetesServer:
    """Its switches: `tokens` (none: anybody may ask), `watch_list`, `gone_by_http`, `watch_seconds`, `interfere`."""

    def __init__(self, kinds: Iterable[Kind] = KINDS, *, tls: bool = False) -> None:
        self.store = Store(kinds)
        self.store.changed = self._wake
        self.port = free_port()
        self.authority = trustme.CA() if tls else None
        self.client_authority: trustme.CA | None = None
        """Who signs certificates of clients, which it then demands."""
        self.tokens: set[str] = set()
        self.watch_list = True
        self.tells_initial_end = True
        """Whether a watch-list says when all has come."""
        self.gone_by_http = False
        self.watch_seconds = 600.0
        """The longest that a watch lasts, whatever its client asks for."""
        self.page = 0
        """The most objects in one piece of a list, if it is less than asked for."""
        self.interfere: Interference | None = None
        """Gets each request first, in the server's thread; what it gives is the answer."""
        self.asked: list[Asked] = []
        self._forbidden: dict[tuple[str, str], Sequence[str]] = {}
        self._watches: set[Watch] = set()
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
        self.store.shelves.setdefault(kind_key(kind), type(next(iter(self.store.shelves.values())))(kind))

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
        app = web.Application(middlewares=[self._guard], client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
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

    # Requests

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        agent = request.headers.get("User-Agent", "")
        self.asked.append(Asked(request.method, request.path, dict(request.query), token, agent))
        try:
            if self.interfere is not None and (said := await self.interfere(request)) is not None:
                return said
            if self.tokens and token not in self.tokens:
                raise Refused(401, "Unauthorized", "Unauthorized")
            answer: web.StreamResponse = await handler(request)
            return answer
        except Refused as refused:
            return web.json_response(refused.status(), status=refused.code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if parts == ["version"]:
            return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.1"})
        if parts == ["api"]:
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if parts == ["apis"]:
            groups = sorted({shelf.kind.group for shelf in self.store.shelves.values() if shelf.kind.group})
            return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": [*map(self._group, groups)]})
        if parts[0] == "apis" and len(parts) == 2:
            return web.json_response({"kind": "APIGroup", "apiVersion": "v1", **self._group(parts[1])})
        root, rest = (2, parts[2:]) if parts[0] == "api" else (3, parts[3:])
        group, version = (
            ("", parts[1]) if root == 2 and len(parts) > 1 else (parts[1], parts[2]) if len(parts) > 2 else ("", "")
        )
        if not rest:
            return web.json_response(self._resources(group, version))
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        shelf = self.store.shelves.get((group, version, rest[0]))
        if shelf is None or parts[0] not in ("api", "apis") or len(rest) > 3 or (len(rest) == 3 and rest[2] != "status"):
            return web.Response(status=404, text="404 page not found\n")
        name, part = [*rest[1:], "", ""][:2]
        return await self._resource(request, shelf.kind, namespace, name, part)

    def _group(self, group: str) -> dict[str, Any]:
        versions = sorted({shelf.kind.version for shelf in self.store.shelves.values() if shelf.kind.group == group})
        if not versions:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        told = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"name": group, "versions": told, "preferredVersion": told[0]}

    def _resources(self, group: str, version: str) -> dict[str, Any]:
        found = [
            each.kind for each in self.store.shelves.values() if (each.kind.group, each.kind.version) == (group, version)
        ]
        if not found:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        resources = [
            {"name": kind.plural + part, "singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name}
            | {"verbs": verbs if not part else ["get", "patch", "update"]}
            for kind in found
            for part in ("", "/status")
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_of(found[0]), "resources": resources}

    def _may(self, verb: str, kind: Kind, namespace: str, part: str) -> None:
        resource = f"{kind.resource}/{part}" if part else kind.resource
        for each in (verb, "*"):
            if namespace not in self._forbidden.get((resource, each), (namespace,)):
                where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
                named = f"{kind.plural}/{part}" if part else kind.plural
                raise Refused(
                    403,
                    "Forbidden",
                    f'{resource} is forbidden: User "{USER if self.tokens else ANYBODY}" cannot {verb} resource "{named}" '
                    f'in API group "{kind.group}" {where}',
                )

    async def _resource(self, request: web.Request, kind: Kind, namespace: str, name: str, part: str) -> web.StreamResponse:
        watch = request.query.get("watch") in ("1", "true")
        verbs = {"GET": "get" if name else "watch" if watch else "list", "PUT": "update", "POST": "create", "PATCH": "patch"}
        self._may(verbs.get(request.method, "delete"), kind, namespace, part)
        if request.method == "GET" and not name:
            return await self._watch(request, kind, namespace) if watch else self._list(request, kind, namespace)
        if request.method == "GET":
            return web.json_response(self.store.get(kind, name, namespace))
        if request.method == "DELETE":
            return web.json_response(self.store.delete(kind, name, namespace))
        try:
            given = await request.json()
        except ValueError:
            raise Refused(400, "BadRequest", "the body is no JSON") from None
        if request.method == "PATCH":
            given = _merged(self.store.get(kind, name, namespace), given)
        if namespace:
            given["metadata"]["namespace"] = namespace
        if request.method == "POST":
            with suppress(Refused):
                self.store.get(kind, given["metadata"]["name"], namespace)
                raise Refused(
                    409, "AlreadyExists", f'{kind.resource} "{given["metadata"]["name"]}" already exists'
                ) from None
            return web.json_response(self.store.put(kind, given), status=201)
        self.store.get(kind, name, namespace)
        return web.json_response(self.store.put(kind, given, only=part or "spec"))

    def _list(self, request: web.Request, kind: Kind, namespace: str) -> web.Response:
        query = request.query
        fits = selecting(query.get("labelSelector", ""), query.get("fieldSelector", ""), namespace)
        with self.store.lock:
            found, version = self.store.listed(kind, namespace, fits), self.store.version
            if "continue" in query:
                version, start = json.loads(base64.b64decode(query["continue"]))
                if version < self.store.shelf(kind).forgotten:
                    raise gone("The provided continue parameter is too old to display a consistent list result.")
                found = [each for each in found if _key(each) >= start]
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        limit = min(int(query.get("limit", 0)) or 10**9, self.page or 10**9)
        if len(found) > limit:
            meta["continue"] = base64.b64encode(json.dumps([version, _key(found[limit])]).encode()).decode()
            meta["remainingItemCount"] = len(found) - limit
        items = found[:limit]
        if kind.group in _BUILT_IN:
            items = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")} for each in items]
        return web.json_response({"kind": f"{kind.name}List", "apiVersion": api_of(kind), "metadata": meta, "items": items})

    async def _watch(self, request: web.Request, kind: Kind, namespace: str) -> web.StreamResponse:
        query = request.query
        fits = selecting(query.get("labelSelector", ""), query.get("fieldSelector", ""), namespace)
        initial = query.get("sendInitialEvents") == "true"
        if initial and not self.watch_list:
            raise Refused(
                422,
                "Invalid",
                'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for '
                "watch unless the WatchList feature gate is enabled",
            )
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise Refused(
                422, "Invalid", "resourceVersionMatch: Required value: must be NotOlderThan with sendInitialEvents"
            )
        watch = Watch(kind, asyncio.Event())
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        version = int(query.get("resourceVersion") or 0)
        with self.store.lock:
            first = self.store.listed(kind, namespace, fits) if initial or not version else []
            version = self.store.version if initial or not version else version
            if self.gone_by_http:
                self.store.since(kind, version)
        await response.prepare(request)
        self._watches.add(watch)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(float(query.get("timeoutSeconds") or 1800), self.watch_seconds)):
                    for each in first:
                        await _send(response, "ADDED", each)
                    if initial and self.tells_initial_end:
                        await _send(response, "BOOKMARK", _bookmark(kind, version, initial=True))
                    await self._follow(response, watch, version, fits, query.get("allowWatchBookmarks") == "true")
        except Refused as refused:
            await _send(response, "ERROR", refused.status())
        except ConnectionError:
            pass
        finally:
            self._watches.discard(watch)
        return response

    async def _follow(
        self, response: web.StreamResponse, watch: Watch, version: int, fits: Callable[[Object], bool], bookmarks: bool
    ) -> None:
        while True:
            watch.wake.clear()
            if watch.expired:
                raise gone()
            if watch.over or self.store.shelves.get(kind_key(watch.kind)) is None:
                return
            for change in self.store.since(watch.kind, version):
                version = change.version
                if (event := change.seen(fits)) is not None:
                    await _send(response, *event)
            while watch.bookmarks:
                watch.bookmarks -= 1
                version = max(version, self.store.version)
                if bookmarks:
                    await _send(response, "BOOKMARK", _bookmark(watch.kind, version))
            await watch.wake.wait()


def _bookmark(kind: Kind, version: int, *, initial: bool = False) -> Object:
    meta: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {"kind": kind.name, "apiVersion": api_of(kind), "metadata": meta}


async def _send(response: web.StreamResponse, kind: str, thing: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": thing}, separators=(",", ":")).encode() + b"\n")


def _key(thing: Object) -> str:
    return f"{thing['metadata'].get('namespace', '')}/{thing['metadata']['name']}"


def _merged(before: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


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
