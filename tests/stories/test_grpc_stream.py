"""A gRPC conversation goes on while the configuration changes under it, through TLS to servers that speak h2c.

What must hold. One stream, opened once, carries every message both ways, in order and unchanged, for as long as the story
takes, through all changes of its router, its middlewares and its service. Calls that begin after a change was live see it,
and every one of them is answered.
"""

import asyncio
import hashlib
import os
import random
import time

import grpc
import grpc.aio
import pytest
import trustme

from pointsman.testing import gateway

CHANGES_PER_SECOND = 1.0
LARGEST = 200_000
"""Bytes of a message: more than a frame, and more than a window."""
CA = trustme.CA()
LEAF = CA.issue_cert("grpc.example")


async def talk(requests, context):
    """Sends back what it gets, while it gets more."""
    async for request in requests:
        yield request


async def ask(request, context):
    return hashlib.sha256(request).digest()


@pytest.fixture
async def server():
    """The URL of a gRPC server without TLS."""
    running = grpc.aio.server()
    handlers = {
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
        "Ask": grpc.unary_unary_rpc_method_handler(ask),
    }
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("story.Story", handlers),))
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield f"h2c://127.0.0.1:{port}"
    await running.stop(1)


def document(url, number):
    """The same router with another middleware and another service each time, and guests that come and go."""
    service = {"loadBalancer": {"servers": [{"url": url}]}}
    routers = {
        "story": {
            "rule": "PathPrefix(`/story.Story/`)",
            "tls": {},
            "service": f"story-{number % 2}",
            "middlewares": ["mark"],
        }
    }
    if number % 3 == 0:
        routers["guest"] = {"rule": f"Path(`/guest/{number}`)", "tls": {}, "service": "story-0"}
    middlewares = {"mark": {"headers": {"customResponseHeaders": {"X-Change": str(number)}}}}
    certificate = {"certFile": LEAF.cert_chain_pems[0].bytes().decode(), "keyFile": LEAF.private_key_pem.bytes().decode()}
    return {
        "http": {"routers": routers, "middlewares": middlewares, "services": {"story-0": service, "story-1": service}},
        "tls": {"certificates": [certificate]},
    }


def channel(port):
    credentials = grpc.ssl_channel_credentials(CA.cert_pem.bytes())
    options = [("grpc.ssl_target_name_override", "grpc.example"), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options)


class Conversation:
    """One stream: messages of all sizes, each awaited before the next or several under way."""

    def __init__(self, stream):
        self.messages = 0
        self.bytes = 0
        self.longest = 0.0
        self._stream = stream

    async def go_on(self, until):
        sent = asyncio.Queue(8)

        async def write():
            number = 0
            while time.monotonic() < until:
                size = random.choice((0, 100, 5_000, 60_000, LARGEST))
                message = number.to_bytes(8, "big") + os.urandom(size)
                number += 1
                await sent.put((time.monotonic(), message))
                await self._stream.write(message)
                await asyncio.sleep(random.uniform(0, 0.01))
            await self._stream.done_writing()
            await sent.put(None)

        writing = asyncio.create_task(write())
        while (expected := await sent.get()) is not None:
            begun, message = expected
            answer = await asyncio.wait_for(self._stream.read(), 20)
            assert answer == message, f"message {self.messages} came back changed"
            self.longest = max(self.longest, time.monotonic() - begun)
            self.messages += 1
            self.bytes += len(message)
        await writing
        assert await asyncio.wait_for(self._stream.read(), 20) is grpc.aio.EOF
        assert await self._stream.code() is grpc.StatusCode.OK


@pytest.mark.timeout(150)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stream_of_both_directions_lives_through_every_change(server, tell, long_stories, workers):
    seconds = 60 if long_stories else 5
    calls = changes = 0
    async with gateway(document(server, 0), workers=workers) as running:
        port = running.port()
        async with channel(port) as talking, channel(port) as asking:
            conversation = Conversation(talking.stream_stream("/story.Story/Talk")())
            begun = time.monotonic()
            going_on = asyncio.create_task(conversation.go_on(begun + seconds))
            while not going_on.done():
                changes += 1
                await running.update(document(server, changes))
                for _ in range(5):
                    call = asking.unary_unary("/story.Story/Ask")(question := os.urandom(1000))
                    assert await asyncio.wait_for(call, 20) == hashlib.sha256(question).digest()
                    marks = dict(await call.initial_metadata())
                    assert marks["x-change"] == str(changes)
                    calls += 1
                await asyncio.wait([going_on], timeout=1 / CHANGES_PER_SECOND)
            await going_on

    tell(
        workers=workers,
        changes=changes,
        messages=conversation.messages,
        mebibytes=f"{conversation.bytes / 2**20:.0f} each way",
        longest=f"{conversation.longest * 1e3:.0f} ms",
        calls=calls,
    )
    assert conversation.messages > 0
    assert changes > 1
