"""Sprig's functions of the environment (sprig 3.2: functions.go, network.go). They are asked anew at every rendering."""

import os
import re
import socket
from typing import Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import bounded

ENVIRONMENT: Final = Group()
_NAMED = re.compile(r"\$(?:\{([^}]*)\}|([*#$@!?-]|[0-9]|\w+))", re.ASCII)

ENVIRONMENT("env", "string")(lambda name: _value(name))


def _value(name: str) -> str:
    """Empty if it is not set."""
    return "" if not name or "\0" in name or "=" in name else os.environ.get(name, "")


@ENVIRONMENT("expandenv", "string")
def expandenv(text: str) -> str:
    """`$NAME` and `${NAME}` by their values."""
    expanded = _NAMED.sub(lambda match: _value(match[1] or match[2] or ""), text)
    bounded(len(expanded))
    return expanded


@ENVIRONMENT("getHostByName", "string")
def get_host_by_name(name: str) -> str:
    """One address of a host. Go draws one of them; this is always the lowest."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise Wrong(f"no address is known for {name!r}: {error}") from None
    return min(found, key=lambda address: (":" in address, address))
