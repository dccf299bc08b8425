"""`api@internal`: the endpoints of operations.md §6.2 and those that are new, and the dashboard below them (docs/api.md)."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from pointsman import __version__
from pointsman.api import InternalRequest, InternalResponse
from pointsman.config.static import print_static
from pointsman.control.dashboard import NOT_FOUND, Dashboard
from pointsman.control.debug import variables
from pointsman.control.knowledge import Knowledge
from pointsman.control.slices import in_slices
from pointsman.control.traffic import Traffic
from pointsman.control.workers import Unanswered
from pointsman.inspection.certificates import Certificates
from pointsman.inspection.dump import archive
from pointsman.inspection.elements import SHOWN, Row, Slices
from pointsman.inspection.lists import BadParameter, Page, Query, filtered, first, ordered, paged
from pointsman.inspection.masking import anonymous
from pointsman.inspection.openapi import document
from pointsman.inspection.overview import overview, version
from pointsman.inspection.shapes import Condition, Shapes, entry_point
from pointsman.plugins import Registry

JSON: Final = "application/json"
SLICE: Final = 16
MANY: Final = 1000
NOUNS: Final = {"routers": "router", "services": "service", "middlewares": "middleware"}
_RAW_KEYS: Final = dict(
    zip(
        SHOWN,
        ("routers", "services", "middlewares", "tcpRouters", "tcpServices", "tcpMiddlewares", "udpRouters", "udpServices"),
        strict=True,
    )
)
_NOT_RAW: Final = ("name", "provider", "type", "priorityStr")

Answering = Callable[[InternalRequest], Awaitable[InternalResponse]]


class Missing(LookupError):
    """There is nothing of that name."""


class Api:
    """The service."""

    def __init__(
        self,
        knowledge: Knowledge,
        registry: Registry,
        base_path: str,
        dashboard: Dashboard | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """`base_path` without a slash at its end."""
        static = knowledge.static
        self._known = knowledge
        self._static = static
        self._base = base_path
        self._dashboard = dashboard
        self._debug = static.api is not None and static.api.debug
        self._shapes = Shapes(static, registry.middlewares, registry.tcp_middlewares)
        self._certificates = Certificates()
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()
        """One long answer at a time: the slices of many would crowd out whatever else the loop has to do."""
        self._openapi = _json(document(base_path, debug=self._debug, traffic=traffic is not None))
        self._endpoints: dict[str, Answering] = {
            "version": self._version,
            "overview": self._overview,
            "entrypoints": self._entry_points,
            "certificates": self._certificate_list,
            "rawdata": self._rawdata,
            "support-dump": self._support_dump,
            "explain": self._explain,
            "problems": self._problems,
            "providers": self._providers,
            "openapi.json": self._document,
        }
        if traffic is not None:
            self._endpoints["traffic"] = partial(_told_traffic, traffic)

    async def answer(self, request: InternalRequest) -> InternalResponse:
        if self._dashboard is not None and (page := await self._dashboard.below_api(request)) is not None:
            return page
        found = self._found(request.path)
        if found is None:
            return NOT_FOUND
        if request.method != "GET":
            return InternalResponse(405, content_type="", headers={"Allow": "GET"})
        try:
            return await found(request)
        except BadParameter as error:
            return _error(400, str(error))
        except Missing as error:
            return _error(404, str(error.args[0]))
        except Unanswered as error:
            return _error(503, str(error))

    def _found(self, path: str) -> Answering | None:
        """What answers for this path."""
        below = path.removeprefix(self._base + "/")
        if below == path:
            return None
        root, *parts = below.split("/")
        if root == "debug" and self._debug and parts == ["vars"]:
            return self._variables
        if root != "api" or not parts:
            return None
        words = [unquote(part) for part in parts]
        if len(words) == 1:
            return self._endpoints.get(words[0])
        if len(words) == 2 and words[0] == "entrypoints":
            return lambda request: self._one_entry_point(words[1])
        if len(words) == 2 and words[0] == "certificates":
            return lambda request: self._one_certificate(words[1])
        section = f"{words[0]}.{words[1]}"
        if section not in SHOWN:
            return None
        if len(words) == 2:
            return lambda request: self._list(section, request.query)
        return (lambda request: self._one(section, words[2])) if len(words) == 3 else None

    # elements

    async def _list(self, section: str, query: Query) -> InternalResponse:
        kind = section.partition(".")[2]
        index = await self._known.index()
        rows = list(index.rows[section].values())
        if len(rows) > MANY:  # long enough to be felt by whoever shares the loop
            page = await asyncio.to_thread(_chosen, rows, query, kind)
        else:
            page = _chosen(rows, query, kind)
        condition = await self._condition(section)
        async with self._writing:
            body = await in_slices(_joined(self._shapes.of(section, row, condition) for row in page.rows))
        return _paged(body, page.next)

    async def _one(self, section: str, name: str) -> InternalResponse:
        row = (await self._known.index()).find(section, name)
        if row is None:
            raise Missing(f"{NOUNS[section.partition('.')[2]]} not found: {name}")
        return _answer(self._shapes.of(section, row, await self._condition(section)))

    async def _condition(self, section: str) -> Condition:
        return await self._known.condition() if section.endswith(".services") else Condition({}, {}, 1)

    async def _rawdata(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse(body=await self._raw(_itself), content_type=JSON)

    async def _raw(self, edit: Callable[[dict[str, Any]], Any]) -> bytes:
        """All elements as JSON, each edited on its way; in slices."""
        index, condition = await self._known.index(), await self._known.condition()

        def writing() -> Slices[bytes]:
            sections: list[bytes] = []
            for section, rows in index.rows.items():
                parts: list[bytes] = []
                for number, row in enumerate(rows.values()):
                    parts.append(_json(row.name)[:-1] + b":" + _json(edit(self._raw_shape(section, row, condition)))[:-1])
                    if not number % SLICE:
                        yield
                if parts:
                    sections.append(_json(_RAW_KEYS[section])[:-1] + b":{" + b",".join(parts) + b"}")
            return b"{" + b",".join(sections) + b"}\n"

        async with self._writing:
            return await in_slices(writing())

    def _raw_shape(self, section: str, row: Row, condition: Condition) -> dict[str, Any]:
        shape = self._shapes.of(section, row, condition)
        return {key: value for key, value in shape.items() if key not in _NOT_RAW}

    # the gateway

    async def _version(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse(body=_json(self._told_version()), content_type=f"{JSON}; charset=UTF-8")

    def _told_version(self) -> dict[str, Any]:
        return version(self._static, __version__, _time(self._known.started) or "")

    async def _overview(self, request: InternalRequest) -> InternalResponse:
        return _answer(overview(self._static, await self._known.index(), await self._shown_certificates()))

    async def _entry_points(self, request: InternalRequest) -> InternalResponse:
        points = [entry_point(name, point) for name, point in sorted(self._static.entry_points.items())]
        page = paged(points, request.query)
        return _paged(await in_slices(_joined(page.rows)), page.next)

    async def _one_entry_point(self, name: str) -> InternalResponse:
        point = self._static.entry_points.get(name)
        if point is None:
            raise Missing(f"entry point not found: {name}")
        return _answer(entry_point(name, point))

    async def _problems(self, request: InternalRequest) -> InternalResponse:
        found = {
            (problem.path, problem.message): {
                "path": problem.path,
                "message": problem.message,
                "severity": "warning" if problem.warning else "error",
                "source": source,
            }
            for source, problem in self._known.problems()
        }
        page = paged([found[key] for key in sorted(found)], request.query)
        return _paged(await in_slices(_joined(page.rows)), page.next)

    async def _providers(self, request: InternalRequest) -> InternalResponse:
        told = [
            {
                "name": state.name,
                "running": state.running,
                "lastSuccess": _time(state.last_success),
                "lastError": state.last_error or None,
                "lastErrorAt": _time(state.last_error_at),
                "nextTry": _time(state.next_try),
                "problems": len(state.problems),
            }
            for state in self._known.providers().values()
        ]
        return _answer([{key: value for key, value in each.items() if value is not None} for each in told])

    async def _explain(self, request: InternalRequest) -> InternalResponse:
        """Which router would take a request, asked of a worker."""
        query = request.query
        url = first(query, "url")
        if not url:
            raise BadParameter("invalid request: url is missing; give one such as http://shop.example/cart")
        arguments = {
            "method": first(query, "method") or "GET",
            "url": url,
            "headers": list(query.get("header", ())),
            "entry_point": first(query, "entryPoint"),
            "client": first(query, "client") or "127.0.0.1",
        }
        try:
            (told,) = await self._known.ask("explain", arguments)
        except Unanswered as error:
            if error.refused:
                raise BadParameter(f"invalid request: {error}") from None
            raise
        return _answer(told)

    async def _document(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse(body=self._openapi, content_type=JSON)

    async def _variables(self, request: InternalRequest) -> InternalResponse:
        return _answer(variables(self._known))

    async def _support_dump(self, request: InternalRequest) -> InternalResponse:
        files = {
            "version.json": _json(self._told_version()),
            "static-config.json": _json(anonymous(print_static(self._static))),
            "runtime-config.json": await self._raw(anonymous),
        }
        body = await asyncio.to_thread(archive, files)
        headers = {"Content-Disposition": "attachment; filename=support-dump.tar.gz"}
        return InternalResponse(200, body, "application/gzip", headers)

    # certificates

    async def _shown_certificates(self) -> list[dict[str, Any]]:
        async with self._reading:
            return await in_slices(self._certificates.reading(self._known.tree))

    async def _certificate_list(self, request: InternalRequest) -> InternalResponse:
        query = request.query
        search, status = first(query, "search").lower(), first(query, "status").lower()
        found = [
            each
            for each in await self._shown_certificates()
            if (not status or each["status"] == status) and (not search or any(search in text for text in _searched(each)))
        ]
        page = paged(ordered(found, query, "certificates", lambda each: str(each["name"])), query)
        return _paged(await in_slices(_joined(page.rows)), page.next)

    async def _one_certificate(self, name: str) -> InternalResponse:
        for each in await self._shown_certificates():
            if each["name"] == name:
                return _answer(each)
        raise Missing(f"certificate not found: {name}")


def _chosen(rows: list[Row], query: Query, kind: str) -> Page:
    return paged(ordered(filtered(rows, query, kind), query, kind, lambda row: row.name), query)


def _itself(shape: dict[str, Any]) -> dict[str, Any]:
    return shape


async def _told_traffic(traffic: Traffic, request: InternalRequest) -> InternalResponse:
    return _answer(await traffic.told(request.query))


def _searched(certificate: dict[str, Any]) -> list[str]:
    texts = [certificate.get("commonName", ""), certificate.get("issuerCN", ""), *certificate["sans"]]
    return [text.lower() for text in texts]


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _joined(items: Iterable[Any]) -> Slices[bytes]:
    """A JSON list, made in slices."""
    parts: list[bytes] = []
    for number, item in enumerate(items):
        parts.append(_json(item)[:-1])
        if not number % SLICE:
            yield
    return b"[" + b",".join(parts) + b"]\n"


def _answer(content: Any) -> InternalResponse:
    return InternalResponse(body=_json(content), content_type=JSON)


def _paged(body: bytes, following: int) -> InternalResponse:
    return InternalResponse(200, body, JSON, {"X-Next-Page": str(following)})


def _error(status: int, message: str) -> InternalResponse:
    return InternalResponse(status, _json({"message": message}), JSON)
