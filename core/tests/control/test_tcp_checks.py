"""Which TCP services are checked, and what one probe finds (routing.md §8.7)."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from pointsman.config.static import StaticTCPServersTransport
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.control.checks import TcpCheck, TcpChecks
from pointsman.control.merge import Tree, at_once, diff, empty_tree, merge
from pointsman.control.probe import Failed
from pointsman.control.rounds import Rounds
from pointsman.control.tcp_probe import probe_tcp
from pointsman.upstream.tcp import TcpSettings


def tree(services: dict[str, Any], **sections: Any) -> Tree:
    merged, problems = merge({"file": {"tcp": {"services": services, **sections}}})
    assert not problems
    return merged


def read(checks: TcpChecks, new: Tree, old: Tree | None = None) -> Any:
    return at_once(checks.reading(new, diff(old or empty_tree(), new)))


def balancer(*servers: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": list(servers), **options}}


def test_services_with_a_check_are_found_by_their_path() -> None:
    services = {
        "bare": balancer({"address": "a:1"}, healthCheck={}),
        "whole": balancer(
            {"address": "a:1"},
            {"address": "b:2", "tls": True},
            {"address": "no-port"},
            {"address": "a:1"},
            healthCheck={"port": 9, "send": "x" * 70_000, "expect": "y", "interval": "1s", "unhealthyInterval": "2s"},
            serversTransport="t",
        ),
        "plain": balancer({"address": "a:1"}),
    }
    checks = TcpChecks(StaticTCPServersTransport())
    before = tree(services, serversTransports={"t": {"tls": {"insecureSkipVerify": True}}})
    found = read(checks, before)

    assert sorted(found) == ["tcp.services.bare@file", "tcp.services.whole@file"]
    bare, whole = (found[f"tcp.services.{name}@file"] for name in ("bare", "whole"))
    assert (bare.urls, bare.interval(True), bare.interval(False), bare.timeout) == (("a:1",), 30, 30, 5)
    assert (whole.urls, whole.secured) == (("a:1", "b:2"), {"b:2"})
    assert (whole.interval(True), whole.interval(False)) == (1, 2)
    assert (whole.config.send, whole.config.expect) == ("", "y")
    assert not whole.transport.tls.verifies

    after = tree({name: services[name] for name in ("whole", "plain")}, serversTransports={"t": {"dialTimeout": "1s"}})
    changes = read(checks, after, before)
    assert changes["tcp.services.bare@file"] is None
    assert changes["tcp.services.whole@file"].transport.dial_timeout == 1


def test_a_check_over_a_transport_that_is_not_there_is_none() -> None:
    services = {"s": balancer({"address": "a:1"}, healthCheck={}, serversTransport="nope")}

    assert read(TcpChecks(StaticTCPServersTransport()), tree(services)) == {"tcp.services.s@file": None}


@pytest.mark.parametrize(
    ("options", "says", "reason"),
    [
        ({}, b"", ""),
        ({"expect": "PONG"}, b"PONG and more", ""),
        ({"send": "PING", "expect": "PONG"}, b"PONG", ""),
        ({"expect": "PONG"}, b"PANG", "not what is expected"),
        ({"expect": "PONG"}, b"PO", "closed the connection after 2 bytes"),
        ({"expect": "PONG", "timeout": 0.1}, None, "no answer within 0.1 s"),
    ],
)
async def test_a_probe_finds_what_is_there(options: Any, says: bytes | None, reason: str) -> None:
    heard, done = [], asyncio.Event()

    async def talk(reader: Any, writer: Any) -> None:
        if "send" in options:
            heard.append(await reader.readexactly(4))
        if says is not None:
            for byte in says:  # in pieces: it is not the first read that counts
                writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
        else:
            with suppress(OSError):
                await reader.read()
        writer.transport.abort() if says is None else writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    check = TcpCheck("tcp.services.s@file", (address,), TCPHealthCheck(**options), TcpSettings())
    if reason:
        with pytest.raises(Failed, match=reason):
            await probe_tcp(check, address)
    else:
        await probe_tcp(check, address)
    await done.wait()
    server.close()
    assert heard == ([b"PING"] if "send" in options else [])


async def test_a_probe_of_nobody_fails() -> None:
    check = TcpCheck("tcp.services.s@file", ("127.0.0.1:1",), TCPHealthCheck(), TcpSettings())
    with pytest.raises(Failed):
        await probe_tcp(check, "127.0.0.1:1")


def test_thresholds_count_for_tcp_servers_too() -> None:
    address = "127.0.0.1:1"
    config = TCPHealthCheck(healthy_threshold=2, unhealthy_threshold=3)
    rounds = Rounds()
    rounds.put(TcpCheck("tcp.services.s@file", (address,), config, TcpSettings()), 0.0)
    states = []
    for number, up in enumerate((False, False, False, True, True), 1):
        [server] = rounds.due(30.0 * number)
        rounds.done(server, up, 30.0 * number)
        states.append(server.up)
    assert states == [True, True, False, False, True]
