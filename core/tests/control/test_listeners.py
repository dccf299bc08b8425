"""Listening sockets: one per worker, TCP and UDP, on every form of address."""

import socket

import pytest

from pointsman.config.entrypoint_model import HTTP3, EntryPoint
from pointsman.control import listeners as listeners_module
from pointsman.control.activation import Passed
from pointsman.control.listeners import Sockets, close_listeners, http3_key, not_passed, open_listeners
from pointsman.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "family"),
    [
        ("127.0.0.1:0", socket.AF_INET),
        ("[::1]:0", socket.AF_INET6),
        (":0", socket.AF_INET6),
        ("[::]:0", socket.AF_INET6),
        ("0.0.0.0:0", socket.AF_INET),
        ("localhost:0", None),
    ],
)
@pytest.mark.parametrize("protocol", ["", "/tcp", "/UDP"])
def test_every_worker_gets_a_socket_on_the_same_port(address: str, family: int | None, protocol: str) -> None:
    listeners = open_listeners({"e": EntryPoint(address + protocol)}, 2)
    try:
        first, second = (each["e"] for each in listeners)
        assert first.type == second.type == (socket.SOCK_DGRAM if "UDP" in protocol else socket.SOCK_STREAM)
        assert first.getsockname() == second.getsockname()
        assert family in (None, first.family)
        assert not first.getblocking()
    finally:
        close_listeners(listeners)


@pytest.mark.parametrize("address", [":0", "[::]:0"])
def test_all_interfaces_are_those_of_ipv4_too(address: str) -> None:
    (listeners,) = open_listeners({"e": EntryPoint(address)}, 1)
    port = listeners["e"].getsockname()[1]
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port)).close()
    close_listeners([listeners])


def port_of(sockets: Sockets) -> int:
    port: int = sockets["e"].getsockname()[1]
    return port


def test_two_entry_points_with_one_address_are_both_named() -> None:
    taken = open_listeners({"e": EntryPoint("127.0.0.1:0")}, 1)
    address = f"127.0.0.1:{port_of(taken[0])}"
    close_listeners(taken)
    with pytest.raises(ConfigError, match=r" in use; entry point a has the same address$") as raised:
        open_listeners({"a": EntryPoint(address), "b": EntryPoint(address)}, 1)
    (problem,) = raised.value.problems
    assert problem.path == "entryPoints.b.address"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_taken_port_is_refused_unless_both_share_it(workers: int, protocol: str) -> None:
    first = open_listeners({"e": EntryPoint(f"127.0.0.1:0/{protocol}")}, workers)
    address = f"127.0.0.1:{port_of(first[0])}/{protocol}"
    with pytest.raises(ConfigError, match=f"cannot listen on {address}: Address already in use"):
        open_listeners({"e": EntryPoint(address)}, workers)
    close_listeners(first)

    first = open_listeners({"e": EntryPoint(address, reuse_port=True)}, workers)
    second = open_listeners({"e": EntryPoint(address, reuse_port=True)}, workers)
    assert port_of(first[0]) == port_of(second[-1])
    close_listeners(first + second)


def test_the_kernel_asks_silent_clients_whether_they_are_still_there() -> None:
    (listeners,) = open_listeners({"e": EntryPoint("127.0.0.1:0")}, 1)
    listeners["e"].setblocking(True)
    with socket.create_connection(("127.0.0.1", port_of(listeners))):
        accepted, _ = listeners["e"].accept()
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 180
        accepted.close()
    close_listeners([listeners])


@pytest.mark.parametrize("workers", [1, 2])
def test_http3_has_udp_sockets_beside_those_for_tcp_on_the_same_port(workers: int) -> None:
    listeners = open_listeners({"web": EntryPoint("127.0.0.1:0", http3=HTTP3())}, workers)
    try:
        for sockets in listeners:
            assert sockets.keys() == {"web", http3_key("web")}
            tcp, udp = sockets["web"], sockets[http3_key("web")]
            assert (tcp.type, udp.type) == (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            assert tcp.getsockname() == udp.getsockname()
    finally:
        close_listeners(listeners)


def free_for_tcp() -> socket.socket:
    """A UDP socket whose port nobody has for TCP."""
    while True:
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("127.0.0.1", 0))
        try:
            socket.create_server(taken.getsockname()).close()
        except OSError:
            taken.close()
        else:
            return taken


def test_a_port_that_http3_cannot_have_is_named() -> None:
    with free_for_tcp() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"entryPoints.web.address: cannot listen on .* \(UDP, for HTTP/3\)"):
            open_listeners({"web": EntryPoint(address, http3=HTTP3())}, 1)


def test_without_the_library_there_is_tcp_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners_module, "has_quic", lambda: False)
    (sockets,) = opened = open_listeners({"web": EntryPoint("127.0.0.1:0", http3=HTTP3())}, 1)
    close_listeners(opened)
    assert sockets.keys() == {"web"}


def test_http3_takes_a_passed_udp_socket_of_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        points = {"web": EntryPoint(":1", http3=HTTP3())}
        passed = Passed({"web": tcp.dup()}, {"web": udp.dup()})
        assert not list(not_passed(points, passed))
        (said,) = not_passed(points, Passed({"web": tcp}, {}))
        assert "passed no UDP socket of this name" in said.message
        listeners = open_listeners(points, 2, passed)
        try:
            assert [sorted(sockets) for sockets in listeners] == [["web", "web/http3"], ["web"]]
            assert listeners[0]["web/http3"].getsockname() == udp.getsockname()
        finally:
            close_listeners(listeners)
