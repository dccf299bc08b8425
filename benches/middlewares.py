"""A row per middleware: what it costs on top of the plain row, for a request that it lets pass; and compression.

The same routes are read by Traefik; what only Pointsman has is compared with the plain row alone.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import load
from attrs import evolve, frozen
from load import HOST, Wrk, fetched
from peers import JSON_BYTES, Routes, Servers
from rows import Row, one_router, services

CREDENTIALS: Final = "Authorization: Basic YWxpY2U6c2VjcmV0"
"""alice:secret"""
LOGIN: Final = {"users": ["alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="]}
MANY: Final = 100_000_000
CASES: Final[Mapping[str, Mapping[str, Any]]] = {
    "addPrefix": {"prefix": "/other"},
    "basicAuth": LOGIN,
    "buffering": {"maxRequestBodyBytes": 1_000_000},
    "chain": {"middlewares": ["inner"]},
    "circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5 || LatencyAtQuantileMS(50.0) > 1000"},
    "compress": {},
    "contentType": {},
    "encodedCharacters": {"allowEncodedSlash": True},
    "errors": {"status": ["500-599"], "service": "nginx", "query": "/{status}.html"},
    "forwardAuth": {"address": "http://127.0.0.1:$nginx/auth", "trustForwardHeader": False},
    "grpcWeb": {"allowOrigins": ["*"]},
    "headers": {"customRequestHeaders": {"X-Bench": "1"}, "customResponseHeaders": {"X-Bench": "1"}},
    "inFlightReq": {"amount": MANY},
    "ipAllowList": {"sourceRange": ["127.0.0.1/32", "10.0.0.0/8"]},
    "passTLSClientCert": {"pem": True},
    "rateLimit": {"average": MANY, "burst": MANY},
    "redirectRegex": {"regex": "^http://other\\.example/(.*)", "replacement": "https://other.example/${1}"},
    "redirectScheme": {"scheme": "https"},
    "replacePath": {"path": "/other"},
    "replacePathRegex": {"regex": "^/h([a-z]+)$", "replacement": "/x/$1"},
    "retry": {"attempts": 3, "initialInterval": "100ms"},
    "stripPrefix": {"prefixes": ["/hello"]},
    "stripPrefixRegex": {"regex": ["^/h[a-z]+"]},
}
OURS: Final[Mapping[str, Mapping[str, Any]]] = {
    "requestId": {},
    "timeout": {"request": "30s"},
}
DESIGN: Final[Mapping[str, Mapping[str, Any]]] = {
    "strip": {"stripPrefix": {"prefixes": ["/hello"]}},
    "edit": {"headers": CASES["headers"]},
    "allow": {"ipAllowList": CASES["ipAllowList"]},
    "count": {"inFlightReq": {"amount": MANY}},
    "limit": {"rateLimit": CASES["rateLimit"]},
}
"""The row of docs/design.md §6."""
GZIP: Final = """
request = function()
  return "GET /json HTTP/1.1\\r\\nHost: h0.example\\r\\nAccept: */*\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n"
end
"""


def with_middlewares(middlewares: Mapping[str, Mapping[str, Any]]) -> Callable[[Servers], Routes]:
    """The plain row's routes with these middlewares, in order."""

    def routes(servers: Servers) -> Routes:
        filled = {name: _filled(options, servers) for name, options in middlewares.items()}
        if any("chain" in options for options in filled.values()):
            filled["inner"] = {"addPrefix": {"prefix": "/other"}}
        router = {"rule": f"Host(`{HOST}`)", "service": "nginx", "middlewares": list(middlewares)}
        return {"http": {"routers": {"all": router}, "services": services(servers), "middlewares": filled}}

    return routes


def _filled(options: Any, servers: Servers) -> Any:
    """The options with the port of the server in place of `$nginx`."""
    if isinstance(options, Mapping):
        return {key: _filled(value, servers) for key, value in options.items()}
    return options.replace("$nginx", str(servers.nginx_port)) if isinstance(options, str) else options


def row(kind: str, options: Mapping[str, Any]) -> Row:
    # A bare `true` is what the dialect takes in place of an empty block.
    routes = with_middlewares({"one": {kind: options or True}})
    sent = Wrk(load.SAME)
    if kind == "basicAuth":
        sent = evolve(sent, script=load.SAME.replace("\\r\\n\\r\\n", f"\\r\\n{CREDENTIALS}\\r\\n\\r\\n"), header=CREDENTIALS)
    plain = None if kind == "redirectScheme" else one_router  # its answer is a redirect, made here
    return Row(f"mw-{kind.lower()}", f"{kind}, own cost", routes, sent, plain=plain, ours=kind in OURS)


@frozen
class Compressed(Wrk):
    """A client that wants gzip."""

    script: str = GZIP

    def check(self, folder: Path, port: int) -> str:
        where = f"http://{HOST}:{port}/json"
        head = fetched(folder, where, "-D", "-", "-o", "/dev/null", "-H", "Accept-Encoding: gzip")
        if not re.search(r"(?i)content-encoding: gzip", head):
            raise SystemExit(f"not compressed: {head}")
        small = fetched(folder, where, "-o", "/dev/null", "-w", " %{size_download} bytes", "-H", "Accept-Encoding: gzip")
        print(f"  gzip at port {port}: {small}")
        return fetched(folder, where, "--compressed")


ROWS: Final = (
    Row(
        "middlewares",
        "+ five middlewares (strip, headers, allow list, in-flight, rate limit)",
        with_middlewares(DESIGN),
        Wrk(load.SAME),
        against_traefik=0.6,
    ),
    Row(
        "middlewares-ids",
        "the same, every request with another X-Request-Id",
        with_middlewares(DESIGN),
        Wrk(load.OTHER_ID),
        against_traefik=0.6,
    ),
    Row(
        "gzip",
        f"compress: JSON of {JSON_BYTES // 1000} kB with gzip",
        with_middlewares({"squeeze": {"compress": {"encodings": ["gzip"]}}}),
        Compressed(connections=20),
        against_traefik=1.0,
    ),
    *(row(kind, options) for kind, options in CASES.items()),
    *(row(kind, options) for kind, options in OURS.items()),
)
