"""The stream of events: JSON objects one after the other, with or without line ends between them. Pure."""

import codecs
import json
from collections.abc import Mapping
from typing import Any, Final

from pointsman.dialect.lookups import text

MAX_OBJECT: Final = 256 * 1024
_decode: Final = json.JSONDecoder().raw_decode
_TELLING: Final = ("start", "die", "destroy", "rename")


class Objects:
    """Takes the stream in pieces of any size and gives the objects that are whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, chunk: bytes) -> list[Mapping[str, Any]]:
        """ValueError if that is no such stream."""
        rest = (self._rest + self._decoder.decode(chunk)).lstrip()
        found: list[Mapping[str, Any]] = []
        while rest:
            if not rest.startswith("{"):
                raise ValueError(f"holds what is no event: {rest[:40]!r}")
            try:
                each, end = _decode(rest)
            except (json.JSONDecodeError, RecursionError):
                break  # the rest is still to come
            found.append(each)
            rest = rest[end:].lstrip()
        if len(rest) > MAX_OBJECT:
            raise ValueError(f"holds an event of more than {MAX_OBJECT // 1024} KiB")
        self._rest = rest
        return found


def telling(event: Mapping[str, Any]) -> bool:
    """Whether containers are to be looked at again after it.

    Most events are of no interest: each run of a health check is three of them.
    """
    action = text(event, "Action") or text(event, "status")
    return action in _TELLING or action.startswith("health_status")
