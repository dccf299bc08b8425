"""Listening sockets: opened by the control side, one per worker and entry point, and kept while workers come and go.

A worker that dies leaves its socket, and whoever waits in its queue, to its replacement: the kernel holds both, since the
socket is still open here.
"""

import socket
from collections.abc import Mapping

from pointsman.config.entrypoint_model import EntryPoint
from pointsman.errors import ConfigError, Problem

BACKLOG = 4096


def open_listeners(points: Mapping[str, EntryPoint], workers: int) -> list[dict[str, socket.socket]]:
    """For each worker a socket for each TCP entry point. ConfigError naming those that cannot be had."""
    listeners: list[dict[str, socket.socket]] = [{} for _ in range(workers)]
    problems: list[Problem] = []
    for name, point in points.items():
        if point.listen.protocol != "tcp":
            continue
        try:
            for worker, listening in zip(listeners, _listen(point, workers), strict=True):
                worker[name] = listening
        except OSError as error:
            message = f"cannot listen on {point.address}: {error.strerror or error}"
            problems.append(Problem(f"entryPoints.{name}.address", message))
    if problems:
        close_listeners(listeners)
        raise ConfigError(problems)
    return listeners


def close_listeners(listeners: list[dict[str, socket.socket]]) -> None:
    for worker in listeners:
        for listening in worker.values():
            listening.close()


def _listen(point: EntryPoint, workers: int) -> list[socket.socket]:
    host, port = point.listen.host, point.listen.port
    shared = point.reuse_port or workers > 1
    if shared and not point.reuse_port:  # nobody else may be there; with the option on, that would go unnoticed
        probe = _bound(host, port, False)
        port = probe.getsockname()[1]
        probe.close()
    opened: list[socket.socket] = []
    try:
        for _ in range(workers):
            opened.append(_bound(host, port, shared))
            port = opened[0].getsockname()[1]
    except OSError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _bound(host: str, port: int, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host or (not host and socket.has_dualstack_ipv6()) else socket.AF_INET
    if host and ":" not in host:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        host = str(address[0])
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not host else 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
