"""The series that both gateways show after the same traffic, compared by name, labels and count."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator

import pytest_asyncio

from pointsman.testing import Gateway, answer, connect, eventually
from tests.oracle.harness import ORACLE, Arena, arena_of, balancer, get, raw

pytestmark = ORACLE

STATIC = {
    "entryPoints": {"web": {}, "secure": {"http": {"tls": {}}}},
    "metrics": {"prometheus": {"addRoutersLabels": True, "headerLabels": {"ua": "User-Agent"}}},
}

MISSING = {
    "traefik_service_retries_total": "it declares this one and never counts (operations.md §4.1)",
}
"""Metrics that only Pointsman shows."""

DECLARED = {
    r'traefik_service_\w+\{code="503",\S+,service="nobody@file"': "a service without a server fails, and that is to be seen",
    r'traefik_service_responses_bytes_total\{code="502"': "what the gateway says in a server's place came from no server",
}
"""Series that differ, and why."""

TRAFFIC = (
    get("/", "a.test"),
    get("/", "a.test", "User-Agent: me"),
    get("/", "a.test", method="FOO"),
    get("/", "a.test", "Accept: text/event-stream"),
    get("/", "a.test", "Accept: text/event-stream", "Content-Type: application/grpc"),
    get("/", "a.test", method="POST", body=b"12345"),
    get("/", "a.test", "Content-Type: application/grpc+proto", method="POST", body=b"xy"),
    get("/", "a.test", "Content-Type: application/grpc-web", method="POST", body=b"xy"),
    get("/", "a.test", method="HEAD"),
    get("/", "unknown.test"),
    get("/", "nobody.test"),
    get("/", "closed.test"),
    get("/", "again.test"),
    get("/", "guarded.test"),
    get("/", "shared.test"),
    raw("GET / HTTP/1.1", "Host: quiet.test"),
)


def dynamic(url: str, closed: str) -> dict[str, object]:
    routers = {
        name: {"rule": f"Host(`{name}.test`)", "service": service, "entryPoints": ["web"]}
        for name, service in {
            "a": "a",
            "nobody": "nobody",
            "closed": "closed",
            "guarded": "a",
            "again": "moody",
            "shared": "shared",
            "quiet": "a",
        }.items()
    }
    routers["again"]["middlewares"] = ["retry"]  # type: ignore[assignment]
    routers["guarded"]["middlewares"] = ["guard"]  # type: ignore[assignment]
    routers["quiet"]["observability"] = {"metrics": False}  # type: ignore[assignment]
    routers["tls"] = {"rule": "Host(`a.test`)", "service": "a", "entryPoints": ["secure"]}
    return {
        "http": {
            "routers": routers,
            "middlewares": {
                "retry": {"retry": {"attempts": 3}},
                "guard": {"basicAuth": {"users": ["x:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"]}},
            },
            "services": {
                "a": balancer(url),
                "moody": balancer(closed),
                "closed": balancer(closed),
                "nobody": {"loadBalancer": {"servers": []}},
                "shared": {"weighted": {"services": [{"name": "a", "weight": 1}]}},
            },
        }
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena() -> AsyncIterator[Arena]:
    async with arena_of(dynamic, STATIC) as arena:
        arena.upstream.answers(answer(200, {}, b"hello"))
        yield arena


async def _played(gateway: Gateway) -> dict[str, dict[str, float]]:
    """Metric -> labels as text -> value."""
    for request in TRAFFIC:
        async with connect(gateway.port("web")) as client:
            await client.ask(request)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # of 1.3 each chooses a cipher of its own
    trusting.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
    async with connect(gateway.port("secure"), tls=trusting, server_name="a.test") as client:
        await client.ask(get("/", "a.test"))
    found: dict[str, dict[str, float]] = {}

    async def scraped() -> bool:
        """Whether the last request is counted: the reference does so when it has been answered."""
        async with connect(gateway.port("traefik")) as client:
            body = (await client.get("/metrics")).body.decode()
        found.clear()
        for line in body.splitlines():
            parts = re.fullmatch(r"(traefik_\w+?)(?:\{(.*)\})? (\S+)", line)
            if parts and "pointsman-testing" not in line and 'entrypoint="traefik"' not in line:
                labels = (parts[2] or "").replace("_ECDSA_", "_RSA_")  # each has made itself another kind of key
                found.setdefault(parts[1], {})[labels] = float(parts[3])
        return any('entrypoint="secure"' in labels for labels in found.get("traefik_entrypoint_requests_total", ()))

    await eventually(scraped)
    return found


def _comparable(found: dict[str, dict[str, float]]) -> dict[str, object]:
    """Counts as they are; of what depends on time, only the labels."""
    shown: dict[str, object] = {}
    for name, samples in found.items():
        if name.startswith("traefik_config"):
            shown[name] = None
        elif name == "traefik_tls_certs_not_after":
            shown[name] = len(samples)
        elif name.endswith(("_sum", "_bucket")):
            shown[name] = dict.fromkeys(samples)
        else:
            shown[name] = samples
    return shown


async def test_both_show_the_same_series(arena: Arena) -> None:
    theirs, ours = _comparable(await _played(arena.traefik)), _comparable(await _played(arena.pointsman))

    assert {name for name in ours if name not in theirs} == set(MISSING)
    differing = [*_differing(theirs, ours)]
    assert [line for line in differing if not any(re.match(declared, line) for declared in DECLARED)] == []
    for declared, reason in DECLARED.items():
        assert any(re.match(declared, line) for line in differing), f"declared to differ, but does not: {reason}"


def _differing(theirs: dict[str, object], ours: dict[str, object]) -> Iterator[str]:
    for name, shown in theirs.items():
        own = ours.get(name)
        if not isinstance(shown, dict) or not isinstance(own, dict):
            if shown != own:
                yield f"{name}: {shown} there, {own} here"
            continue
        for labels in sorted(shown.keys() | own.keys()):
            if shown.get(labels, "absent") != own.get(labels, "absent"):
                yield f"{name}{{{labels}}}: {shown.get(labels, 'absent')} there, {own.get(labels, 'absent')} here"
