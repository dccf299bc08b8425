"""UDP routers: sessions of datagrams between a client and a server (routing.md §8.8)."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from pointsman.testing import eventually, free_port


class Datagrams(asyncio.DatagramProtocol):
    """A server that answers with its name before what it got; it keeps who said what."""

    def __init__(self, name):
        self.name = name.encode()
        self.seen = []

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.address = f"127.0.0.1:{self.port}"

    def datagram_received(self, data, address):
        self.seen.append((data, address))
        self.transport.sendto((self.name + data)[:65507], address)


@asynccontextmanager
async def answering(name):
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Datagrams(name), local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()


class Client:
    """A client on a port of its own."""

    def __init__(self, port, local=0):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", local))
        self._socket.connect(("127.0.0.1", port))

    def say(self, data):
        self._socket.send(data)

    async def hear(self, seconds=5.0):
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 65536), seconds)

    async def ask(self, data):
        self.say(data)
        return await self.hear()

    async def hears_nothing(self, data):
        self.say(data)
        try:
            return not await self.hear(0.3)
        except (TimeoutError, ConnectionError):
            return True

    def close(self):
        self._socket.close()


@asynccontextmanager
async def clients(port, count=1):
    made = [Client(port) for _ in range(count)]
    try:
        yield made[0] if count == 1 else made
    finally:
        for client in made:
            client.close()


def balancer(*servers):
    addresses = [server if isinstance(server, str) else server.address for server in servers]
    return {"loadBalancer": {"servers": [{"address": address} for address in addresses]}}


def document(routers, **services):
    return {"udp": {"routers": {name: {"service": service} for name, service in routers.items()}, "services": services}}


def static(timeout="1s", grace="100ms"):
    life = {"lifeCycle": {"graceTimeOut": grace}}
    return {
        "entryPoints": {"web": {}, "udp1": {"address": "127.0.0.1:0/udp", "udp": {"timeout": timeout}, "transport": life}}
    }


KEPT = static()


@pytest.mark.spec("R-104")
async def test_a_client_keeps_its_server_until_it_has_been_silent(start_gateway):
    async with answering("a") as a, answering("b") as b:
        shares = {"weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b"}]}}
        services = {"both": balancer(a, b), "a": balancer(a), "b": balancer(b), "shares": shares}
        front = await start_gateway(document({"r": "both"}, **services), static("500ms"))
        port = front.port("udp1")
        async with clients(port) as client:
            first = await client.ask(b"1")
            assert [await client.ask(b"x") for _ in range(4)] == [first[:1] + b"x"] * 4
            (server,) = (server for server in (a, b) if server.name == first[:1])
            assert len({address for _, address in server.seen}) == 1, "one session, one socket"
            await asyncio.sleep(1.2)
            second = await client.ask(b"2")
            assert second[:1] != first[:1], "a new session, and it is the other's turn"

        await front.update(document({"r": "shares"}, **services))
        async with clients(port, 12) as many:
            heard = [await client.ask(b"x") for client in many]
        assert [heard.count(word) for word in (b"ax", b"bx")] == [9, 3]

        await front.update(document({"q": "a", "z": "b", "c": "a"}, **services))
        async with clients(port) as client:
            assert await client.ask(b"x") == b"bx", "the last by name serves"


@pytest.mark.spec("R-109")
async def test_a_router_that_is_removed_forwards_nothing_any_more(reuse_gateway):
    async with answering("a") as server:
        front = await reuse_gateway(document({"r": "s"}, s=balancer(server)))
        async with clients(front.port("udp1")) as client:
            assert await client.ask(b"1") == b"a1"
            await front.update({"http": {}})
            seen = len(server.seen)
            assert await client.hears_nothing(b"2")
            assert len(server.seen) == seen
            await front.update(document({"r": "s"}, s=balancer(server)))
            assert await client.ask(b"3") == b"a3"


async def test_a_session_goes_on_through_a_reload_while_its_server_is_there(reuse_gateway):
    async with answering("a") as a, answering("b") as b:
        front = await reuse_gateway(document({"r": "s"}, s=balancer(a)))
        async with clients(front.port("udp1")) as client:
            assert await client.ask(b"1") == b"a1"
            await front.update(document({"r": "s"}, s=balancer(b, a)))
            assert await client.ask(b"2") == b"a2"
            assert len({address for _, address in a.seen}) == 1
            await front.update(document({"r": "s"}, s=balancer(b)))
            assert await client.ask(b"3") == b"b3"


async def test_datagrams_pass_whole_from_the_empty_one_to_the_largest(reuse_gateway):
    async with answering("a") as server:
        front = await reuse_gateway(document({"r": "s"}, s=balancer(server)))
        async with clients(front.port("udp1")) as client:
            for size in (0, 1, 1472, 9000, 65_506):
                sent = bytes(size)
                assert await client.ask(sent) == b"a" + sent
            largest = bytes(65_507)
            assert await client.ask(largest) == (b"a" + largest)[:65_507]
        assert [len(data) for data, _ in server.seen] == [0, 1, 1472, 9000, 65_506, 65_507]


async def test_a_server_whose_host_says_that_nobody_is_there_ends_the_session(reuse_gateway):
    async with answering("a") as server:
        gone = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        front = await reuse_gateway(document({"r": "s"}, s=balancer(gone, server)))
        async with clients(front.port("udp1")) as client:
            assert await client.hears_nothing(b"1")
            assert await client.ask(b"2") == b"a2"


async def test_a_server_may_have_a_name(reuse_gateway):
    async with answering("a") as server:
        front = await reuse_gateway(document({"r": "s"}, s=balancer(f"localhost:{server.port}")))
        async with clients(front.port("udp1")) as client:
            assert await client.ask(b"1") == b"a1"


async def test_nothing_is_said_where_there_is_no_server(reuse_gateway):
    front = await reuse_gateway(document({"r": "s"}, s=balancer("127.0.0.1")))
    async with clients(front.port("udp1")) as client:
        assert await client.hears_nothing(b"1")


async def test_several_workers_share_the_clients(start_gateway):
    async with answering("a") as server:
        front = await start_gateway(document({"r": "s"}, s=balancer(server)), static(), workers=2)
        async with clients(front.port("udp1"), 40) as many:
            for round_ in (b"1", b"2"):
                assert {await client.ask(round_) for client in many} == {b"a" + round_}
            assert len({address for _, address in server.seen}) == 40


async def test_sessions_have_the_grace_time_and_new_ones_are_not_begun(start_gateway):
    options = {**static("3s", grace="1s"), "log": {"level": "INFO"}}
    async with answering("a") as server:
        front = await start_gateway(document({"r": "s"}, s=balancer(server)), options)
        async with clients(front.port("udp1"), 2) as (old, new):
            assert await old.ask(b"1") == b"a1"
            front.process.terminate()
            await eventually(lambda: "stopping" in front.log())
            assert await old.ask(b"2") == b"a2"
            assert await new.hears_nothing(b"3")
        assert await front.exited() == 0
