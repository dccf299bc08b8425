"""JSON of the API server. One object that is nested too deeply keeps no others of its kind from being read. Pure."""

import json
import re
from typing import Any, Final

DEEPEST: Final = 100
"""How many blocks and lists may be in each other where not all can be read."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def read(content: bytes | bytearray) -> Any:
    """The value; what is nested so deeply that it cannot be read is null. ValueError for what is no JSON."""
    try:
        return json.loads(content)
    except RecursionError:
        return json.loads(_shallow(bytes(content)))


def _shallow(content: bytes) -> bytes:
    kept, depth, start = [], 0, 0
    for token in _TOKEN.finditer(content):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(content[start : token.start()])
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if depth == DEEPEST:
                kept.append(b"null")
                start = token.end()
    if depth > DEEPEST:
        raise ValueError("ends in the middle of a value")
    return b"".join([*kept, content[start:]])
