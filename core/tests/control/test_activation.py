"""Sockets that a service manager passes."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from pointsman.config.entrypoint_model import EntryPoint
from pointsman.control.activation import Passed, take_passed
from pointsman.control.listeners import close_listeners, not_passed, open_listeners
from pointsman.errors import ConfigError

FIRST = 200
Pass = Callable[..., dict[str, str]]


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def datagrams() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    return bound


@pytest.fixture
def passing() -> Iterator[Pass]:
    """Put sockets where a service manager would; gives the environment that it would give."""
    used: list[int] = []

    def put(**sockets: socket.socket) -> dict[str, str]:
        for number, each in enumerate(sockets.values()):
            used.append(FIRST + number)
            os.dup2(each.fileno(), FIRST + number)
            each.close()
        names = ":".join(name.split("__")[0] for name in sockets)
        return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "OTHER": "stays"}

    yield put
    for descriptor in used:
        with suppress(OSError):
            os.close(descriptor)


def test_sockets_are_taken_by_name_tcp_and_udp_apart(passing: Pass) -> None:
    environment = passing(web=listening(), web__udp=datagrams())
    passed = take_passed(environment, FIRST)
    assert (list(passed.tcp), list(passed.udp)) == (["web"], ["web"])
    assert environment == {"OTHER": "stays"}, "what is started later must not take them for its own"
    assert not any(os.get_inheritable(each.fileno()) for each in (*passed.tcp.values(), *passed.udp.values()))
    passed.close()


@pytest.mark.parametrize("changed", [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": ""}, {"LISTEN_FDS": "-1"}])
def test_what_is_for_another_process_is_left_alone(passing: Pass, changed: dict[str, str]) -> None:
    environment = {**passing(web=listening()), **changed}
    assert not take_passed(environment, FIRST)
    assert environment == {"OTHER": "stays"}
    os.fstat(FIRST)


def test_what_cannot_be_listened_on_is_named(passing: Pass) -> None:
    left, right = socket.socketpair()
    environment = passing(
        connected=socket.create_connection(listening_address()), unix=left, other=right, web=listening(), web__2=listening()
    )
    environment["LISTEN_FDS"] = "6"
    with pytest.raises(ConfigError) as raised:
        take_passed(environment, FIRST)
    texts = [str(problem) for problem in raised.value.problems]
    assert len(texts) == 5
    assert "'connected', is not a listening socket" in texts[0]
    assert "'unix', is no Internet socket" in texts[1]
    assert "more than one socket of a kind is passed as 'web'" in texts[3]
    assert "descriptor 205" in texts[4]


def listening_address() -> tuple[str, int]:
    """Of a socket that is closed with the interpreter's next breath; a connection to it stays a connection."""
    with listening() as server:
        address: tuple[str, int] = server.getsockname()
        client = socket.create_connection(address)
        client.close()
        server.detach()
    return address


def test_a_passed_listener_is_shared_by_all_workers_and_its_address_is_not_used() -> None:
    web = listening()
    address = web.getsockname()
    points = {"web": EntryPoint("192.0.2.1:1"), "other": EntryPoint("127.0.0.1:0")}
    passed = Passed(tcp={"web": web})
    listeners = open_listeners(points, 2, passed)
    try:
        assert [each["web"].getsockname() for each in listeners] == [address, address]
        assert listeners[0]["web"].fileno() != listeners[1]["web"].fileno()
        assert web.fileno() == -1
        with socket.create_connection(address):
            accepted, _ = listeners[1]["web"].accept()
            accepted.close()
    finally:
        close_listeners(listeners)
    (problem,) = not_passed(points, passed)
    assert (problem.path, problem.warning) == ("entryPoints.other", True)
    assert "it listens on its address itself" in problem.message


def test_passed_datagrams_go_to_the_first_worker_alone() -> None:
    points = {"dns": EntryPoint("127.0.0.1:1/udp")}
    listeners = open_listeners(points, 2, Passed(udp={"dns": datagrams()}))
    assert [list(each) for each in listeners] == [["dns"], []]
    close_listeners(listeners)


def test_a_socket_that_no_entry_point_asks_for_is_told() -> None:
    passed = Passed(tcp={"wbe": listening()}, udp={"web": datagrams()})
    messages = [problem.message for problem in not_passed({"web": EntryPoint(":80")}, passed)]
    assert "passed no TCP socket" in messages[0]
    assert "the TCP socket that the service manager passed as 'wbe' is no entry point's" in messages[1]
    assert "the UDP socket that the service manager passed as 'web' is no entry point's" in messages[2]
    passed.close()
    assert list(not_passed({"web": EntryPoint(":80")}, Passed())) == []
