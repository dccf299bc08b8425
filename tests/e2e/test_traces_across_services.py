"""One trace through the gateway, two services, and the gateway again is one tree, whatever headers all of them speak.

One service is instrumented by OpenTelemetry's SDK, the other one by hand; each format travels with the exporter that one
would take it with, and what all of them tell comes together in one collector.
"""

import pytest

from pointsman.testing import connect, eventually, gateway

from .span_receiver import receiving
from .span_services import hand_made_service, sdk_service
from .span_tree import tree


def document(sdk, hand):
    services = {name: {"loadBalancer": {"servers": [{"url": url}]}} for name, url in (("sdk", sdk), ("hand", hand))}
    routers = {name: {"rule": f"Host(`{name}.example`)", "service": name} for name in services}
    return {"http": {"routers": routers, "services": services}}


def tracing(kind, collector):
    """The section for a format, with the exporter that goes with it."""
    return {
        "tracecontext": {"otlp": {"http": {"endpoint": collector.http, "headers": {"X-Tenant": "a"}}}},
        "b3": {"zipkin": {"httpEndpoint": f"{collector.http}/api/v2/spans"}},
        "b3multi": {
            "propagators": ["b3multi"],
            "otlp": {"grpc": {"endpoint": collector.grpc, "insecure": True, "headers": {"X-Tenant": "a"}}},
        },
        "jaeger": {"jaeger": {"collector": {"endpoint": collector.http, "user": "me", "password": "hush"}}},
        "xray": {
            "propagators": ["xray"],
            "otlp": {
                "grpc": {"endpoint": collector.grpc_tls, "tls": {"ca": collector.authority}, "headers": {"X-Tenant": "b"}}
            },
        },
    }[kind]


SAID = {
    "tracecontext": ("/v1/traces", {"content-type": "application/x-protobuf", "content-encoding": "gzip", "x-tenant": "a"}),
    "b3": ("/api/v2/spans", {"content-type": "application/json", "b3": "0"}),
    "b3multi": ("Export", {"x-tenant": "a"}),
    "jaeger": ("/v1/traces", {"content-type": "application/x-protobuf", "authorization": "Basic bWU6aHVzaA=="}),
    "xray": ("Export", {"x-tenant": "b"}),
}
"""Where each report of the gateway goes, and with which headers or metadata."""


@pytest.mark.spec("O-75")
@pytest.mark.parametrize("kind", SAID)
async def test_what_all_of_them_tell_is_one_tree(kind, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    running = []
    with (
        receiving() as collector,
        hand_made_service(kind, collector.http) as hand,
        sdk_service(kind, collector.http, lambda: running[0].port()) as sdk,
    ):
        quiet = {"observability": {"tracing": False}}
        static = {
            "tracing": {"serviceName": "shop", **tracing(kind, collector)},
            "entryPoints": {"web": {}, "traefik": quiet},
        }
        async with gateway(document(sdk, hand), static) as front:
            running.append(front)
            async with connect(front.port()) as client:
                assert (await client.get("/x?y", "sdk.example")).body == b"by hand"
            await eventually(lambda: len(collector.spans) >= 7, "seven spans")

    get, proxied = ("get", "reverseproxy") if kind == "b3" else ("GET", "ReverseProxy")
    names = [
        f"edge: {get}",
        f"edge: {proxied}",
        "sdk: serve",
        "sdk: ask",
        f"edge: {get}",
        f"edge: {proxied}",
        "hand: answer",
    ]
    assert tree(collector.spans) == [f"{'  ' * depth}{name}" for depth, name in enumerate(names)]
    assert len({span.trace_id for span in collector.spans}) == 1
    path, headers = SAID[kind]
    own = [found for found_path, found in collector.requests if found_path == path and headers.items() <= found.items()]
    assert own
