"""Answers that come piece by piece: server-sent events and long polls. Each piece arrives before the next is said."""

import asyncio

import pytest
import trustme

from pointsman.testing import chunked

from .stage import balancer, staged

CA = trustme.CA()
LEAF = CA.issue_cert("localhost")
ENTRY_POINTS = {"entryPoints": {"web": {}, "websecure": {}}}
HOW = {
    "HTTP/1.1": ("web", "--http1.1"),
    "HTTP/1.1 over TLS": ("websecure", "--http1.1"),
    "HTTP/2 by prior knowledge": ("web", "--http2-prior-knowledge"),
    "HTTP/2 over TLS": ("websecure", "--http2"),
}


def dynamic(urls):
    pair = {
        "certFile": b"".join(blob.bytes() for blob in LEAF.cert_chain_pems).decode(),
        "keyFile": LEAF.private_key_pem.bytes().decode(),
    }
    rule = {"rule": "PathPrefix(`/`)", "service": "a"}
    return {
        "http": {
            "routers": {
                "plain": {**rule, "entryPoints": ["web"]},
                "secure": {**rule, "entryPoints": ["websecure"], "tls": {}},
            },
            "services": {"a": balancer(urls["a"])},
        },
        "tls": {"certificates": [pair]},
    }


@pytest.fixture
async def stage():
    async with staged(dynamic, ENTRY_POINTS, ("a",)) as stage:
        yield stage


@pytest.mark.parametrize("how", HOW)
async def test_every_event_is_there_before_the_next_is_said(stage, how, tmp_path):
    entry_point, version = HOW[how]
    said = [asyncio.Event() for _ in range(3)]
    events = [b"data: %d\n\n" % number for number in range(3)]
    script = [step for pair in zip(said, events, strict=True) for step in pair]
    stage["a"].answers(chunked(script, {"Content-Type": "text/event-stream"}))
    scheme = "https" if entry_point == "websecure" else "http"
    authority = tmp_path / "ca.pem"
    CA.cert_pem.write_to_path(str(authority))
    curl = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--no-buffer", "--max-time", "20", "--cacert", str(authority), version,
        f"{scheme}://localhost:{stage.gateway.port(entry_point)}/events",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert curl.stdout is not None
    for event, text in zip(said, events, strict=True):
        event.set()
        async with asyncio.timeout(10):
            assert await curl.stdout.readexactly(len(text)) == text
    assert await curl.stdout.read() == b""
    assert await curl.wait() == 0


@pytest.mark.parametrize("how", HOW)
async def test_a_poll_waits_as_long_as_its_server_does(stage, how, tmp_path):
    entry_point, version = HOW[how]
    news = asyncio.Event()
    stage["a"].answers([news, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews"])
    scheme = "https" if entry_point == "websecure" else "http"
    curl = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--insecure", "--max-time", "20", version,
        f"{scheme}://localhost:{stage.gateway.port(entry_point)}/poll",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await stage["a"].received(1)
    assert curl.returncode is None
    news.set()
    assert await curl.communicate() == (b"news", None)
