"""Names to addresses: kept, renewed, and never in each other's way. The name server is a function that tests hold up."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from pointsman.net import names as module
from pointsman.net.names import Names, is_address
from pointsman.testing import eventually

GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
SILENT = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class NameServer:
    """Knows `addresses`; names in `held` are answered when they are let go."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str] | Exception] = {"a.test": ["10.0.0.1"]}
        self.asked: list[str] = []
        self.held: dict[str, threading.Event] = {}

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        event = self.held.get(host)
        if event is not None:
            event.wait(30)
        found = self.addresses.get(host, GONE)
        if isinstance(found, Exception):
            raise found
        return found

    def hold(self, hosts: Iterable[str]) -> None:
        self.held.update({host: threading.Event() for host in hosts})

    def let_go(self) -> None:
        held, self.held = self.held, {}
        for event in held.values():
            event.set()


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    server = NameServer()
    yield server
    server.let_go()


@pytest.fixture
def names(server: NameServer, clock: Any) -> Names:
    return Names(resolve=server)


async def idle(names: Names) -> None:
    await eventually(lambda: names._threads == 0, "every lookup is over")


async def test_a_name_is_looked_up_once_for_all_who_ask(names: Names, server: NameServer) -> None:
    server.hold(["a.test"])
    asking = [asyncio.ensure_future(names.addresses("a.test")) for _ in range(20)]
    await eventually(lambda: server.asked, "somebody asks")
    asking[0].cancel()
    server.let_go()
    assert await asyncio.gather(*asking[1:]) == [("10.0.0.1",)] * 19
    assert await names.addresses("a.test") == ("10.0.0.1",)
    assert server.asked == ["a.test"]


async def test_what_is_too_old_is_used_while_it_is_renewed(names: Names, server: NameServer, clock: Any) -> None:
    await names.addresses("a.test")
    server.addresses["a.test"] = ["10.0.0.2"]
    await clock.advance(29)
    assert await names.addresses("a.test") == ("10.0.0.1",)
    assert len(server.asked) == 1
    await clock.advance(2)
    assert await names.addresses("a.test") == ("10.0.0.1",)
    await idle(names)
    assert await names.addresses("a.test") == ("10.0.0.2",)
    assert len(server.asked) == 2


async def test_what_is_much_too_old_is_not_used_before_it_is_renewed(names: Names, server: NameServer, clock: Any) -> None:
    await names.addresses("a.test")
    server.addresses["a.test"] = ["10.0.0.2"]
    await clock.advance(331)
    assert names.known("a.test") == ()
    assert await names.addresses("a.test") == ("10.0.0.2",)


async def test_with_a_ttl_of_nothing_every_connection_asks_anew(server: NameServer) -> None:
    names = Names(0.0, server)
    await names.addresses("a.test")
    server.addresses["a.test"] = ["10.0.0.2"]
    assert await names.addresses("a.test") == ("10.0.0.2",)


async def test_while_the_name_server_is_silent_what_was_known_stays(
    names: Names, server: NameServer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OLD_ANSWER_SECONDS", 0.01)
    await names.addresses("a.test")
    server.addresses["a.test"] = SILENT
    await clock.advance(100)
    assert await names.addresses("a.test") == ("10.0.0.1",)
    await idle(names)
    await clock.advance(1000)
    server.hold(["a.test"])
    assert await names.addresses("a.test") == ("10.0.0.1",)


async def test_a_name_that_is_gone_is_forgotten_and_that_is_remembered_for_a_moment(
    names: Names, server: NameServer, clock: Any
) -> None:
    await names.addresses("a.test")
    server.addresses["a.test"] = GONE
    await clock.advance(31)
    await names.addresses("a.test")
    await idle(names)
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            await names.addresses("a.test")
    assert len(server.asked) == 2
    server.addresses["a.test"] = ["10.0.0.3"]
    await clock.advance(1.1)
    assert await names.addresses("a.test") == ("10.0.0.3",)


@pytest.mark.parametrize(
    ("answer", "said"),
    [([], "it has no address"), (UnicodeError("label too long"), "it is no name"), (MemoryError("none"), "none")],
)
async def test_whatever_goes_wrong_is_an_oserror(names: Names, server: NameServer, answer: Any, said: str) -> None:
    server.addresses["odd.test"] = answer
    with pytest.raises(OSError, match=said):
        await names.addresses("odd.test")


async def test_a_hundred_names_that_hang_do_not_delay_another(names: Names, server: NameServer, clock: Any) -> None:
    slow = [f"slow{number}.test" for number in range(100)]
    server.hold(slow)
    hanging = [asyncio.ensure_future(names.addresses(host)) for host in slow]
    for _ in range(100 // module.AT_ONCE + 1):
        await eventually(lambda: len(server.asked) == min(100, names._threads), "they are asked for")
        await clock.advance(1.1)
    assert await asyncio.wait_for(names.addresses("a.test"), 5) == ("10.0.0.1",)
    assert not any(each.done() for each in hanging)
    server.let_go()
    assert all(isinstance(end, OSError) for end in await asyncio.gather(*hanging, return_exceptions=True))
    await idle(names)
    assert names._running == 0


async def test_there_are_never_too_many_threads_and_names_that_hung_before_get_only_half(
    names: Names, server: NameServer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_THREADS", 8)
    monkeypatch.setattr(module, "AT_ONCE", 4)
    slow = [f"slow{number}.test" for number in range(20)]
    server.hold(slow)
    first = [asyncio.ensure_future(names.addresses(host)) for host in slow[:8]]
    for _ in range(4):
        await clock.settle()
        await clock.advance(1.1)
    assert names._threads == 8
    late = asyncio.ensure_future(names.addresses("a.test"))
    await clock.settle()
    assert "a.test" not in server.asked
    server.let_go()
    assert await late == ("10.0.0.1",)
    await asyncio.gather(*first, return_exceptions=True)
    server.hold(slow)
    await clock.advance(2)
    again = [asyncio.ensure_future(names.addresses(host)) for host in slow[:8]]
    for _ in range(4):
        await clock.settle()
        await clock.advance(1.1)
    assert names._threads == 4
    server.addresses["b.test"] = ["10.0.0.9"]
    assert await names.addresses("b.test") == ("10.0.0.9",)
    server.let_go()
    await asyncio.gather(*again, return_exceptions=True)


async def test_the_names_that_are_remembered_are_limited(
    names: Names, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 3)
    server.addresses |= {f"n{number}.test": [f"10.0.1.{number}"] for number in range(9)}
    for number in range(9):
        assert await names.addresses(f"n{number}.test") == (f"10.0.1.{number}",)
    assert len(names._names) == 3
    hosts = [f"h{number}.test" for number in range(4)]
    server.hold(hosts)
    asking = [asyncio.ensure_future(names.addresses(host)) for host in hosts]
    with pytest.raises(OSError, match="too many names"):
        await asking[3]
    server.let_go()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_addresses_of_the_preferred_family_take_turns_and_the_other_family_comes_second(
    names: Names, server: NameServer
) -> None:
    server.addresses["a.test"] = ["::1", "::2", "10.0.0.1", "::1"]
    assert [await names.addresses("a.test") for _ in range(2)] == [("::2", "10.0.0.1", "::1"), ("::1", "10.0.0.1", "::2")]


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("10.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("a.test", False), ("1.2.3", False), ("x\0y", False)],
)
async def test_an_address_needs_no_lookup(host: str, is_one: bool) -> None:
    assert is_address(host) == is_one


class Quiet(asyncio.Protocol):
    pass


async def listening(host: str, port: int = 0) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(Quiet, host, port)
    return server, server.sockets[0].getsockname()[1]


async def test_addresses_that_refuse_are_passed_over(server: NameServer) -> None:
    far, port = await listening("127.0.0.3")
    names = Names(resolve=server)
    server.addresses["a.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    for _ in range(3):
        transport, _ = await names.connect(Quiet, "a.test", port)
        assert transport.get_extra_info("peername")[0] == "127.0.0.3"
        transport.abort()
    far.close()
    with pytest.raises(ConnectionRefusedError):
        await names.connect(Quiet, "a.test", port)


async def test_an_address_that_is_silent_is_not_waited_for(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    far, port = await listening("127.0.0.3")
    loop = asyncio.get_running_loop()
    given_up: list[Any] = []
    found = loop.sock_connect

    async def connect(sock: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.1":
            try:
                await asyncio.sleep(3600)
            finally:
                given_up.append(sock)
        await found(sock, address)

    monkeypatch.setattr(loop, "sock_connect", connect)
    names = Names(resolve=server)
    names._name("a.test").turn = 1
    server.addresses["a.test"] = ["127.0.0.1", "127.0.0.3"]
    transport, _ = await names.connect(Quiet, "a.test", port)
    assert transport.get_extra_info("peername")[0] == "127.0.0.3"
    await eventually(lambda: given_up and given_up[0].fileno() == -1, "the other socket is closed")
    transport.abort()
    far.close()


async def test_localhost_is_found_by_the_system() -> None:
    far, port = await listening("127.0.0.1")
    names = Names()
    assert "127.0.0.1" in await names.addresses("localhost")
    transport, _ = await names.connect(Quiet, "localhost", port)
    transport.abort()
    far.close()
    with pytest.raises(OSError):
        await names.addresses("nobody.invalid")
