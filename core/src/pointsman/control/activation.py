"""Sockets that a service manager has opened and passed, with names (sd_listen_fds(3), operations.md §2.10)."""

import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final

from attrs import Factory, frozen

from pointsman.errors import ConfigError, Problem

FIRST_DESCRIPTOR: Final = 3
MAX_DESCRIPTORS: Final = 1024
_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


@frozen
class Passed:
    """The sockets by name: TCP listeners and UDP sockets apart, one per name."""

    tcp: Mapping[str, socket.socket] = Factory(dict)
    udp: Mapping[str, socket.socket] = Factory(dict)

    def of(self, protocol: str) -> Mapping[str, socket.socket]:
        return self.tcp if protocol == "tcp" else self.udp

    def close(self) -> None:
        """Let go of them here; copies stay open."""
        for passed in (*self.tcp.values(), *self.udp.values()):
            passed.close()

    def __bool__(self) -> bool:
        return bool(self.tcp or self.udp)


NOTHING_PASSED: Final = Passed()


def take_passed(environment: MutableMapping[str, str], first: int = FIRST_DESCRIPTOR) -> Passed:
    """What was passed to this process. ConfigError if something else than TCP listeners and UDP sockets was.

    The variables are removed: what is started later must not take them for its own.
    """
    count, pid, names = (environment.pop(variable, "") for variable in _VARIABLES)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return NOTHING_PASSED
    named = names.split(":") if names else []
    passed: dict[str, dict[str, socket.socket]] = {"tcp": {}, "udp": {}}
    problems: list[Problem] = []
    for number in range(min(int(count), MAX_DESCRIPTORS)):
        name = named[number] if number < len(named) else "unknown"
        try:
            taken = _take(first + number)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(Problem("LISTEN_FDS", f"descriptor {first + number}, passed as '{name}', {reason}"))
            continue
        kind = passed["tcp" if taken.type == socket.SOCK_STREAM else "udp"]
        if name in kind:
            taken.close()
            message = f"more than one socket of a kind is passed as '{name}'; give each its own FileDescriptorName="
            problems.append(Problem("LISTEN_FDS", message))
        else:
            kind[name] = taken
    if problems:
        Passed(passed["tcp"], passed["udp"]).close()
        raise ConfigError(problems)
    return Passed(passed["tcp"], passed["udp"])


def _take(descriptor: int) -> socket.socket:
    """A passed socket, ready to be used. OSError or ValueError, in words that follow its name, if it is of no use."""
    os.set_inheritable(descriptor, False)
    taken = socket.socket(fileno=descriptor)
    if taken.family not in (socket.AF_INET, socket.AF_INET6):
        wrong = "is no Internet socket; write a port after ListenStream= or ListenDatagram="
    elif taken.type == socket.SOCK_DGRAM or (
        taken.type == socket.SOCK_STREAM and taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        taken.setblocking(False)
        return taken
    else:
        wrong = "is not a listening socket; leave Accept= out of its unit"
    taken.close()
    raise ValueError(wrong)
