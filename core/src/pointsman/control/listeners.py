"""Listening sockets: opened by the control side, one per worker and entry point, and kept while workers come and go.

A worker that dies leaves its socket, and whoever waits in its queue, to its replacement: the kernel holds both, since the
socket is still open here. Each worker's sockets are its own (SO_REUSEPORT), so that the kernel spreads clients over them and
sends all datagrams of one client to one worker. A socket that a service manager has passed is one socket for all: every
worker hears of a new client and the fastest takes it, which costs the others a look. Datagrams of a passed socket all go to
the first worker: shared, those of one client would end up with several.
"""

import errno
import socket
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve

from pointsman.config.entrypoint_model import EntryPoint, Listen
from pointsman.control.activation import NOTHING_PASSED, Passed
from pointsman.errors import ConfigError, Problem
from pointsman.net.quic_library import has_quic

BACKLOG: Final = 4096
KEEP_ALIVE_SECONDS: Final = 180
"""Silence after which the kernel asks whether a client is still there (operations.md §2.1); connections inherit it."""
_WAYS_OUT: Final = {
    errno.EADDRINUSE: "; stop whoever listens there (`ss -lnp` shows it) or choose another address",
    errno.EACCES: "; ports below 1024 need CAP_NET_BIND_SERVICE or sockets passed by a service manager",
    errno.EADDRNOTAVAIL: "; this machine has no such address",
}
_HTTP3: Final = "/http3"
Sockets = dict[str, socket.socket]
"""By entry point: a listening socket for TCP, a bound one for UDP (its `type` tells); by `http3_key` those for HTTP/3."""


def http3_key(name: str) -> str:
    """The key of the UDP socket that an entry point has beside its TCP socket."""
    return name + _HTTP3


def entry_point_of(key: str) -> str:
    """Whose socket a key is for."""
    return key.removesuffix(_HTTP3)


def open_listeners(points: Mapping[str, EntryPoint], workers: int, passed: Passed = NOTHING_PASSED) -> list[Sockets]:
    """For each worker a socket for each entry point. ConfigError naming those that cannot be had."""
    listeners: list[Sockets] = [{} for _ in range(workers)]
    problems: list[Problem] = []
    for name, point in points.items():
        beside = ""
        try:
            listen = point.listen
            opened = _opened(point, listen, passed.of(listen.protocol).get(name), workers)
            _share_out(opened, listeners, name)
            if point.wants_http3 and has_quic():
                beside = " (UDP, for HTTP/3)"
                listen = evolve(listen, port=opened[0].getsockname()[1], protocol="udp")
                _share_out(_opened(point, listen, passed.udp.get(name), workers), listeners, http3_key(name))
        except OSError as error:
            message = f"cannot listen on {point.address}{beside}: {error.strerror or error}{_way_out(error, name, points)}"
            problems.append(Problem(f"entryPoints.{name}.address", message))
    passed.close()
    if problems:
        close_listeners(listeners)
        raise ConfigError(problems)
    return listeners


def _way_out(error: OSError, name: str, points: Mapping[str, EntryPoint]) -> str:
    if error.errno == errno.EADDRINUSE:
        same = [other for other, point in points.items() if other != name and point.listen == points[name].listen]
        if same:
            return f"; entry point {same[0]} has the same address"
    return _WAYS_OUT.get(error.errno or 0, "")


def close_listeners(listeners: list[Sockets]) -> None:
    for worker in listeners:
        for listening in worker.values():
            listening.close()


def not_passed(points: Mapping[str, EntryPoint], passed: Passed) -> Iterator[Problem]:
    """What an operator who uses socket activation should know: who has to listen by itself, and what is passed in vain."""
    if not passed:
        return
    protocols = {name: {point.listen.protocol} | ({"udp"} if point.wants_http3 else set()) for name, point in points.items()}
    for name, wanted in protocols.items():
        for protocol in sorted(wanted):
            if name not in passed.of(protocol):
                message = (
                    f"the service manager passed no {protocol.upper()} socket of this name; it listens on its address itself"
                )
                yield Problem(f"entryPoints.{name}", message, warning=True)
    for protocol in ("tcp", "udp"):
        for name in passed.of(protocol):
            if protocol not in protocols.get(name, ()):
                message = f"the {protocol.upper()} socket that the service manager passed as '{name}' is no entry point's"
                yield Problem("entryPoints", message, warning=True)


def _shared(ready: socket.socket, workers: int) -> list[socket.socket]:
    """A passed socket, for as many workers as can share it."""
    if ready.type == socket.SOCK_STREAM:
        _keep_alive(ready)
    return [ready.dup() for _ in range(workers if ready.type == socket.SOCK_STREAM else 1)]


def _opened(point: EntryPoint, listen: Listen, ready: socket.socket | None, workers: int) -> list[socket.socket]:
    return _listen(point, listen, workers) if ready is None else _shared(ready, workers)


def _share_out(opened: list[socket.socket], listeners: list[Sockets], key: str) -> None:
    for worker, listening in zip(listeners, opened, strict=False):
        worker[key] = listening


def _listen(point: EntryPoint, listen: Listen, workers: int) -> list[socket.socket]:
    kind = socket.SOCK_STREAM if listen.protocol == "tcp" else socket.SOCK_DGRAM
    family, host = _family(listen.host, listen.port, kind)
    port = listen.port
    shared = point.reuse_port or workers > 1
    if shared and not point.reuse_port:  # nobody else may be there; with the option on, that would go unnoticed
        probe = _bound(family, kind, host, port, False)
        port = probe.getsockname()[1]
        probe.close()
    opened: list[socket.socket] = []
    try:
        for _ in range(workers):
            opened.append(_bound(family, kind, host, port, shared))
            port = opened[0].getsockname()[1]
    except OSError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _family(host: str, port: int, kind: socket.SocketKind) -> tuple[socket.AddressFamily, str]:
    """The family of an address and what to bind to; a name stands for its first address."""
    if not host:
        return (socket.AF_INET6, "") if socket.has_dualstack_ipv6() else (socket.AF_INET, "")
    if ":" in host:
        return socket.AF_INET6, host
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    return family, str(address[0])


def _bound(family: socket.AddressFamily, kind: socket.SocketKind, host: str, port: int, shared: bool) -> socket.socket:
    listening = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:  # for datagrams it would let others take the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _keep_alive(listening)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # `[::]` is for both families, like no host at all
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host in ("", "::") else 1)
        listening.bind((host, port))
        if kind == socket.SOCK_STREAM:
            listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _keep_alive(listening: socket.socket) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # not everywhere
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEP_ALIVE_SECONDS)
