"""The shapes of the API's answers, as JSON Schema for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
BLOCK: Schema = {"type": "object"}
STATUS: Schema = {"type": "string", "enum": ["enabled", "warning", "disabled"]}
HEALTH: Schema = {"type": "string", "enum": ["UP", "DOWN"]}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def block(description: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these properties and no others."""
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_COUNT = block("", {"total": INTEGER, "warnings": INTEGER, "errors": INTEGER})
_ELEMENT = {"status": STATUS, "name": STRING, "provider": STRING}
_FARES = {"error": array(STRING), "using": array(STRING), "usedBy": array(STRING)}
_ROUTED = {"entryPoints": array(STRING), "service": STRING, **_FARES}
_RULED = {
    "rule": STRING,
    "ruleSyntax": STRING,
    "middlewares": array(STRING),
    "tls": BLOCK,
}
_SERVED = {
    "error": array(STRING),
    "usedBy": array(STRING),
    "type": STRING,
    "loadBalancer": BLOCK,
    "weighted": BLOCK,
    "serverStatus": mapping(HEALTH),
    "serverDetails": mapping(ref("ServerDetails")),
}

_WINDOWS = {window: ref("Rates") for window in ("1m", "5m", "15m")}
_TRAFFIC = {"history": ref("Steps"), "connections": INTEGER, "inFlight": INTEGER}

SCHEMAS: dict[str, Schema] = {
    "Error": block("What is wrong with a request.", {"message": STRING}),
    "Version": block(
        "What runs, and since when.",
        {"Version": STRING, "Codename": STRING, "startDate": TIME},
        {"disableDashboardAd": BOOLEAN, "dashboardName": STRING},
    ),
    "Count": {**_COUNT, "description": "`errors` counts what is disabled, or expired."},
    "Overview": block(
        "Counts by kind, and what is switched on.",
        {
            "http": block("", {"routers": ref("Count"), "services": ref("Count"), "middlewares": ref("Count")}),
            "tcp": block("", {"routers": ref("Count"), "services": ref("Count"), "middlewares": ref("Count")}),
            "udp": block("", {"routers": ref("Count"), "services": ref("Count")}),
            "certificates": ref("Count"),
            "features": block("", {"tracing": STRING, "metrics": STRING, "accessLog": BOOLEAN}),
            "providers": array(STRING),
        },
    ),
    "EntryPoint": {
        "type": "object",
        "description": "The effective configuration of an entry point, and its name.",
        "properties": {"name": STRING, "address": STRING},
        "required": ["name", "address"],
    },
    "HttpRouter": block(
        "A router; one that an entry point adds something to has a copy for it, with that name before its own.",
        {**_ELEMENT, "priority": INTEGER, "priorityStr": STRING},
        {**_ROUTED, **_RULED, "parentRefs": array(STRING), "observability": BLOCK},
    ),
    "TcpRouter": block(
        "A router of connections.", {**_ELEMENT, "priority": INTEGER, "priorityStr": STRING}, {**_ROUTED, **_RULED}
    ),
    "UdpRouter": block("A router of datagrams.", _ELEMENT, _ROUTED),
    "ServerDetails": block(
        "Of a server that is not well: what active checks say, and how many workers do not use it.",
        {"probes": HEALTH, "failing": INTEGER, "ejected": INTEGER},
    ),
    "HttpService": block(
        "A service, and the routers that use it.",
        _ELEMENT,
        {
            **_SERVED,
            "middlewares": array(STRING),
            "highestRandomWeight": BLOCK,
            "mirroring": BLOCK,
            "failover": BLOCK,
            "observability": BLOCK,
        },
    ),
    "TcpService": block("A service for connections.", _ELEMENT, _SERVED),
    "UdpService": block("A service for datagrams.", _ELEMENT, _SERVED),
    "Middleware": {
        "type": "object",
        "description": "A middleware; its options stand under the name of its kind, secrets masked.",
        "properties": {**_ELEMENT, "error": array(STRING), "usedBy": array(STRING), "type": STRING},
        "required": list(_ELEMENT),
        "additionalProperties": BLOCK,
    },
    "Certificate": block(
        "A certificate that is served.",
        {
            "name": {**STRING, "description": "SHA-256 of the DER."},
            "sans": array(STRING),
            "notAfter": TIME,
            "notBefore": TIME,
            "serialNumber": STRING,
            "version": STRING,
            "keyType": STRING,
            "signatureAlgorithm": STRING,
            "certFingerprint": STRING,
            "publicKeyFingerprint": STRING,
            "status": {"type": "string", "enum": ["enabled", "warning", "expired"]},
        },
        {
            **dict.fromkeys(("commonName", "organization", "country", "issuerCN", "issuerOrg", "issuerCountry"), STRING),
            "keySize": INTEGER,
        },
    ),
    "RawData": block(
        "Every element by its full name.",
        {},
        {
            f"{area}{kind}": mapping(BLOCK)
            for area, kinds in {
                "": ("routers", "services", "middlewares"),
                "tcp": ("Routers", "Services", "Middlewares"),
                "udp": ("Routers", "Services"),
            }.items()
            for kind in kinds
        },
    ),
    "Problem": block(
        "Something wrong with the configuration.",
        {
            "path": STRING,
            "message": STRING,
            "severity": {"type": "string", "enum": ["error", "warning"]},
            "source": {**STRING, "description": "Who found it: `static`, `dynamic`, or `worker`."},
        },
    ),
    "Provider": block(
        "How a source of configuration is doing.",
        {"name": STRING, "running": BOOLEAN, "problems": INTEGER},
        {"lastSuccess": TIME, "lastError": STRING, "lastErrorAt": TIME, "nextTry": TIME},
    ),
    "Rates": block(
        "What went through in a window. Latencies are seconds; errors are statuses from 500 on, and those of gRPC servers.",
        {
            "requestsPerSecond": NUMBER,
            "errorRate": NUMBER,
            "clientErrorRate": NUMBER,
            "latency": block("", {"p50": NUMBER, "p90": NUMBER, "p99": NUMBER}),
            "bytesInPerSecond": NUMBER,
            "bytesOutPerSecond": NUMBER,
        },
    ),
    "Steps": block(
        "The last steps, the latest last.",
        {"requests": array(INTEGER), "errors": array(INTEGER), "p90": array(NUMBER)},
    ),
    "Traffic": block(
        "What goes through, the busiest first.",
        {
            "stepSeconds": NUMBER,
            "windows": mapping(INTEGER),
            "connections": {**mapping(INTEGER), "description": "Open ones of every entry point, busy or not."},
            "untracked": {**mapping(INTEGER), "description": "Those that found no room in the last step, by kind."},
            "states": array(
                block(
                    "What a middleware tells of itself, such as whether its circuit is open.",
                    {"router": STRING, "middleware": STRING, "state": STRING, "workers": INTEGER},
                    {"since": NUMBER},
                )
            ),
        },
        {
            "entryPoints": array(block("", {"name": STRING, **_WINDOWS}, _TRAFFIC)),
            "routers": array(block("", {"name": STRING, "service": STRING, **_WINDOWS}, _TRAFFIC)),
            "services": array(block("", {"name": STRING, **_WINDOWS}, _TRAFFIC)),
            "servers": array(block("", {"service": STRING, "url": STRING, "status": HEALTH, **_WINDOWS}, _TRAFFIC)),
        },
    ),
    "Loss": block(
        "A router that does not take the request, and why.",
        {
            "name": STRING,
            "rule": STRING,
            "priority": INTEGER,
            "reason": STRING,
            "matches": {**BOOLEAN, "description": "Its rule matches, and another goes before it."},
            "columns": array(INTEGER),
        },
    ),
    "Explanation": block(
        "Where a request would go.",
        {"outcome": {"type": "string", "enum": ["routed", "unrouted", "refused"]}},
        {
            "status": {**INTEGER, "description": "What the client gets, if it is not routed."},
            "reason": STRING,
            "request": block(
                "As routers see it.",
                {
                    "method": STRING,
                    "authority": STRING,
                    "target": STRING,
                    "path": STRING,
                    "entryPoint": STRING,
                    "secure": BOOLEAN,
                },
            ),
            "tls": block("What is agreed on.", {"options": STRING, "certificate": array(STRING)}),
            "router": block("Who takes it.", {"name": STRING, "rule": STRING, "priority": INTEGER}),
            "middlewares": array(STRING),
            "service": block("", {"name": STRING, "servers": array(STRING)}),
            "children": array(STRING),
            "others": array(ref("Loss")),
            "othersTotal": INTEGER,
            "closed": array(block("", {"name": STRING, "reason": STRING})),
        },
    ),
}
