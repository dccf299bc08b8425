"""What an API server answers: discovery, lists, watches, objects, rights."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from attrs import define, frozen

from pointsman_kubernetes.kinds import Kind

from .kubernetes_store import Object, Refused, Store, api_of, gone, kind_key, selecting

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


class Answers:
    """Its switches: `tokens` (none: anybody may ask), `watch_list`, `gone_by_http`, `watch_seconds`, `interfere`."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.store = Store(kinds)
        self.tokens: set[str] = set()
        self.watch_list = True
        self.old_storage = False
        """Whether watch-lists fail as they do with an etcd before 3.5, seen at Kubernetes 0.36: by an event."""
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

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
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

    async def answer(self, request: web.Request) -> web.StreamResponse:
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
                    if initial and self.old_storage:
                        raise Refused(500, "InternalError", "the required storage feature RequestWatchProgress is disabled")
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
