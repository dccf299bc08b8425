"""Media types: as users list them, strictly, and as messages bear them, where nothing may raise."""

import re
from typing import Final

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER: Final = rf'[ \t]*;(?:[ \t]*{_TOKEN}=(?:{_TOKEN}|"(?:[^"\\]|\\.)*"))?'
_MEDIA_TYPE: Final = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})(?:{_PARAMETER})*[ \t]*", re.ASCII)
_ESSENCE: Final = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*(?:;|\Z)".encode())


def media_type(text: str) -> bytes:
    """Type and subtype of a configured media type, in lower case, without parameters. ValueError if it is none."""
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a media type; write type/subtype, as in application/json")
    return match[1].lower().encode()


def essence(value: bytes) -> bytes:
    """Type and subtype that a Content-Type names, in lower case; b"" if it is not a media type."""
    match = _ESSENCE.match(value)
    return match[1].lower() if match is not None else b""
