"""The OpenAPI 3.1 document of the API (docs/api.md): one line per endpoint, from which the rest follows."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from pointsman.inspection.lists import KEYS
from pointsman.inspection.schemas import BLOCK, SCHEMAS, STRING, Schema, array, ref


@frozen
class Parameter:
    """One of the query."""

    description: str
    schema: Schema = STRING
    required: bool = False


@frozen
class Endpoint:
    """One path; lists are paged."""

    path: str
    summary: str
    schema: Schema
    parameters: Mapping[str, Parameter] = {}
    paged: bool = False
    type: str = "application/json"


_POSITIVE: Final[Schema] = {"type": "integer", "minimum": 1}
_PAGING: Final = {
    "page": Parameter("Which page, from 1.", _POSITIVE),
    "per_page": Parameter("How many a page has; 100 by default.", _POSITIVE),
}
_ROUTER_FILTERS: Final = {
    "serviceName": Parameter("Only routers that lead to this service."),
    "middlewareName": Parameter("Only routers with this middleware, `name@provider`."),
}


def _lists(kind: str) -> dict[str, Parameter]:
    statuses = ["enabled", "warning", "expired" if kind == "certificates" else "disabled"]
    where = {"routers": "name or rule", "certificates": "common name, issuer or names"}.get(kind, "name")
    return {
        **_PAGING,
        "search": Parameter(f"Part of the {where}, in any case."),
        "status": Parameter("Only what fares so.", {"type": "string", "enum": statuses}),
        **(_ROUTER_FILTERS if kind == "routers" else {}),
        "sortBy": Parameter("What to sort by; ties go by name.", {"type": "string", "enum": list(KEYS[kind])}),
        "direction": Parameter("`asc`, or anything else for descending."),
    }


def _elements() -> Iterator[Endpoint]:
    for area, kinds in (("http", 3), ("tcp", 3), ("udp", 2)):
        for kind in ("routers", "services", "middlewares")[:kinds]:
            schema = ref("Middleware" if kind == "middlewares" else f"{area.title()}{kind[:-1].title()}")
            path = f"/api/{area}/{kind}"
            yield Endpoint(path, f"The {area.upper()} {kind}.", array(schema), _lists(kind), paged=True)
            yield Endpoint(f"{path}/{{name}}", "One of them, by `name@provider`, percent-encoded.", schema)


_EXPLAIN: Final = {
    "url": Parameter("What a client would ask for: `http[s]://host[:port]/path?query`.", required=True),
    "method": Parameter("`GET`, if it is left out."),
    "header": Parameter("A header, `Name: value`; may be repeated.", array(STRING)),
    "entryPoint": Parameter("Where it arrives; else at the URL's port, or the first default entry point."),
    "client": Parameter("The client's address; 127.0.0.1, if it is left out."),
}

_TRAFFIC: Final = {
    "kind": Parameter("Some of `entryPoints`, `routers`, `services`, `servers`, by commas; all, if it is left out."),
    "name": Parameter("Only what has this name, or a part of that name: servers of a service, routers to one."),
    "history": Parameter("How many of the last steps are told; 60 by default.", {"type": "integer", "maximum": 180}),
    "limit": Parameter("How many of each kind, the busiest first; 100 by default.", {"type": "integer", "maximum": 1000}),
}

ENDPOINTS: Final = (
    Endpoint("/api/version", "What runs, and since when.", ref("Version")),
    Endpoint("/api/overview", "Counts, features and providers.", ref("Overview")),
    Endpoint("/api/entrypoints", "The entry points.", array(ref("EntryPoint")), _PAGING, paged=True),
    Endpoint("/api/entrypoints/{name}", "One of them.", ref("EntryPoint")),
    *_elements(),
    Endpoint(
        "/api/certificates",
        "The certificates that are served.",
        array(ref("Certificate")),
        _lists("certificates"),
        paged=True,
    ),
    Endpoint("/api/certificates/{name}", "One of them, by the SHA-256 of its DER.", ref("Certificate")),
    Endpoint("/api/rawdata", "Every element by its full name.", ref("RawData")),
    Endpoint("/api/support-dump", "An archive to be shown to strangers.", BLOCK, type="application/gzip"),
    Endpoint("/api/explain", "Where a request would go, and why not elsewhere.", ref("Explanation"), _EXPLAIN),
    Endpoint("/api/problems", "All that is wrong with the configuration.", array(ref("Problem")), _PAGING, paged=True),
    Endpoint("/api/providers", "How the sources of configuration are doing.", array(ref("Provider"))),
    Endpoint("/api/openapi.json", "This document.", BLOCK),
)
TRAFFIC: Final = (Endpoint("/api/traffic", "What goes through, of the last 15 minutes.", ref("Traffic"), _TRAFFIC),)
DEBUG: Final = (Endpoint("/debug/vars", "Numbers of the control process.", BLOCK),)


def document(base_path: str, *, debug: bool, traffic: bool) -> dict[str, Any]:
    """The document of an API below this path."""
    endpoints = (*ENDPOINTS, *(TRAFFIC if traffic else ()), *(DEBUG if debug else ()))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman",
            "version": "1",
            "description": "What a gateway serves, how it fares, and why a request goes where it goes. It changes nothing.",
        },
        "servers": [{"url": base_path or "/"}],
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
        "components": {"schemas": SCHEMAS},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    content = (
        {"schema": {"type": "string", "contentMediaType": endpoint.type}}
        if endpoint.type != "application/json"
        else {"schema": endpoint.schema}
    )
    answer: dict[str, Any] = {"description": endpoint.summary, "content": {endpoint.type: content}}
    if endpoint.paged:
        following = "The next page, or 1 if this is the last."
        answer["headers"] = {"X-Next-Page": {"description": following, "schema": {"type": "integer"}}}
    parameters = [
        {"name": name, "in": "query", "required": each.required, "description": each.description, "schema": each.schema}
        for name, each in endpoint.parameters.items()
    ]
    if "{name}" in endpoint.path:
        parameters.append({"name": "name", "in": "path", "required": True, "description": "Its name.", "schema": STRING})
    error = {"description": "Why not.", "content": {"application/json": {"schema": ref("Error")}}}
    return {"summary": endpoint.summary, "parameters": parameters, "responses": {"200": answer, "default": error}}
