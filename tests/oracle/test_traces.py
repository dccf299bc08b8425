"""What spans there are of a request, what they say, and what servers are told: the reference's and ours (operations.md §5).

Wanted differences: parameters of queries stay in their order; whom an allow list refuses is said by `client.address` alone,
so that a status has few messages; and a server that cannot be reached has one that says why.
"""

import asyncio
import gzip
import re

import pytest
import pytest_asyncio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman.testing import answer, connect, eventually, gateway, upstream

from .harness import TRAEFIK

pytestmark = [pytest.mark.real("traefik"), pytest.mark.asyncio(loop_scope="module")]

MIDDLEWARES = {
    "team": {"headers": {"customRequestHeaders": {"X-Team": "blue"}}},
    "prefix": {"addPrefix": {"prefix": "/p"}},
    "both": {"chain": {"middlewares": ["team", "prefix"]}},
    "users": {"basicAuth": {"users": ["a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="]}},
    "inside": {"ipAllowList": {"sourceRange": ["192.0.2.0/24"]}},
    "digest": {"digestAuth": {"users": ["a:traefik:a2688e031edb4be6a3797f3882655c05"]}},
    "errors": {"errors": {"status": ["500-599"], "service": "s", "query": "/sorry"}},
    "squeeze": {"compress": {}},
    "list": {"buffering": {"maxRequestBodyBytes": 1000}},
    "to": {"redirectRegex": {"regex": "^$", "replacement": "x"}},
    "rate": {"rateLimit": {"average": 100, "burst": 100}},
    "few": {"inFlightReq": {"amount": 10}},
    "break": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.9"}},
    "strip": {"stripPrefix": {"prefixes": ["/none"]}},
    "stripre": {"stripPrefixRegex": {"regex": ["/none"]}},
    "swap": {"replacePathRegex": {"regex": "^/none$", "replacement": "/x"}},
    "again": {"retry": {"attempts": 2}},
    "cert": {"passTLSClientCert": {"pem": True}},
}
ROUTES = {
    "min": [],
    "users": ["users"],
    "inside": ["inside"],
    "det": ["both", "again"],
    "many": ["squeeze", "list", "to", "rate", "few", "break", "strip", "stripre", "swap", "cert"],
    "detusers": ["team", "digest"],
    "deterr": ["errors"],
    "detdown": ["again"],
}
DETAILED = ("det", "many", "detusers", "deterr", "detdown")
ASKED = [
    ("min", "/a/b?ok=1&secret=2&ok=3", "GET", 200),
    ("min", "/", "POST", 404),
    ("min", "/", "GET", 503),
    ("none", "/", "GET", 200),
    ("users", "/", "GET", 200),
    ("inside", "/", "GET", 200),
    ("det", "/x", "GET", 200),
    ("many", "/x", "GET", 200),
    ("detusers", "/x", "GET", 200),
    ("deterr", "/x", "GET", 503),
    ("detdown", "/x", "GET", 200),
]
HEADERS = ("traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "uber-trace-id")
HEADERS += ("x-amzn-trace-id",)
CHANGING = re.compile(r"[0-9a-f]{16,32}|[0-9a-f]{8}-[0-9a-f]{24}")
UNLIKE = ("network.peer.port", "client.port", "server.port", "server.address", "network.peer.address")
"""Attributes with another value each time."""
REJECTED = {'Rejecting IP 127.0.0.1: "127.0.0.1" matched none of the trusted IPs': "The client's address is not allowed"}


def document(url):
    service = {"loadBalancer": {"servers": [{"url": url}]}}
    down = {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}
    routers = {
        name: {
            "rule": f"Host(`{name}.test`)",
            "service": "down" if name == "detdown" else "s",
            "middlewares": middlewares,
            **({"observability": {"traceVerbosity": "detailed"}} if name in DETAILED else {}),
        }
        for name, middlewares in ROUTES.items()
    }
    return {"http": {"routers": routers, "services": {"s": service, "down": down}, "middlewares": MIDDLEWARES}}


def plain(attributes, url):
    def value(each):
        found = each.value
        kind = found.WhichOneof("value")
        return [item.string_value for item in found.array_value.values] if kind == "array_value" else getattr(found, kind)

    found = {each.key: value(each) for each in attributes}
    return {name: ordered(str(told).replace(url, "http://shop")) for name, told in found.items() if name not in UNLIKE}


def ordered(value):
    """With the parameters of a query in order."""
    head, mark, query = value.rpartition("?")
    return head + mark + "&".join(sorted(query.split("&")))


def tree(spans, url):
    """Each span with all that can be compared, below its parent."""
    children = {}
    ids = {span.span_id for span in spans}
    for span in sorted(spans, key=lambda span: span.start_time_unix_nano):
        children.setdefault(span.parent_span_id if span.parent_span_id in ids else b"", []).append(span)

    def lines(parent, depth):
        for span in children.get(parent, ()):
            message = span.status.message
            message = "" if "cannot connect" in message else REJECTED.get(message, message)
            yield depth, span.name, span.kind, span.status.code, message, plain(span.attributes, url)
            yield from lines(span.span_id, depth + 1)

    return list(lines(b"", 0))


async def told(command, **options):
    """For each request: the tree of its spans, and what the server was told."""
    found = []
    async with upstream() as shop, upstream(answer(200)) as collector:
        tracing = {
            "otlp": {"http": {"endpoint": collector.url}},
            "capturedRequestHeaders": ["X-Own", "User-Agent"],
            "capturedResponseHeaders": ["X-Kind"],
            "safeQueryParams": ["ok"],
        }
        static = {"tracing": tracing, "entryPoints": {"web": {}, "traefik": {"observability": {"tracing": False}}}}
        async with gateway(document(shop.url), static, **options, **command) as running:
            for host, path, method, status in ASKED:
                shop.answers(answer(status, {"X-Kind": "tea"}, b"ok"))
                collector.requests.clear()
                shop.requests.clear()
                async with connect(running.port()) as client:
                    own = f"{method} {path} HTTP/1.1\r\nHost: {host}.test\r\nUser-Agent: me\r\nX-Own: 1\r\n"
                    length = "Content-Length: 2\r\n\r\nhi" if method == "POST" else "\r\n"
                    await client.ask(f"{own}b3: as-it-is\r\n{length}".encode())
                await eventually(lambda: any(span.kind == 2 for span in spans_of(collector)), "a report")
                said = {}
                if shop.requests:
                    said = {name: CHANGING.sub("x", shop.last.get(name) or "-") for name in HEADERS}
                found.append((tree(spans_of(collector), shop.url), said))
    return found


def spans_of(collector):
    reports = [ExportTraceServiceRequest.FromString(gzip.decompress(request.body)) for request in collector.requests]
    of_resources = [each for report in reports for each in report.resource_spans]
    return [span for each in of_resources for scope in each.scope_spans for span in scope.spans]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        patch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage,b3multi,jaeger,xray")
        return await asyncio.gather(told({"workers": None, "command": [str(TRAEFIK)]}), told({"workers": 1}))


@pytest.mark.parametrize("number", range(len(ASKED)), ids=[f"{host}-{method}-{status}" for host, _, method, status in ASKED])
async def test_spans_and_headers_are_what_they_were(both, number):
    theirs, ours = (each[number] for each in both)
    print("THEIRS", *theirs[0], theirs[1], "OURS", *ours[0], ours[1], sep="\n  ")
    assert ours == theirs
