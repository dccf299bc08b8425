"""Sprig's encodings (sprig 3.2: strings.go, defaults.go), JSON as Go's encoding/json writes it."""

import base64
import binascii
import json
import math
import re
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.functions.dicts import sorted_keys
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import MAX_VALUE_DEPTH, bounded
from pointsman.dialect.gotemplate.moments import moment_format
from pointsman.dialect.gotemplate.printing import real_text
from pointsman.dialect.gotemplate.values import Moment, Record, as_bytes, as_text, type_name, whole

ENCODING: Final = Group()

ENCODING("b64enc", "string")(lambda text: base64.b64encode(as_bytes(text)).decode())
ENCODING("b32enc", "string")(lambda text: base64.b32encode(as_bytes(text)).decode())


@ENCODING("b64dec", "string")
def b64dec(text: str) -> str:
    """What is no base64 gives Go's words for that, not an error."""
    return _decoded(text, "64", re.compile(r"[A-Za-z0-9+/]"), 4)


@ENCODING("b32dec", "string")
def b32dec(text: str) -> str:
    return _decoded(text, "32", re.compile(r"[A-Z2-7]"), 8)


def _decoded(text: str, base: str, alphabet: "re.Pattern[str]", size: int) -> str:
    """As Go decodes, which skips line ends; the place of what is wrong is that of the first byte that cannot be."""
    data = text.replace("\r", "").replace("\n", "")
    try:
        return as_text(base64.b64decode(data, validate=True) if base == "64" else base64.b32decode(data))
    except (binascii.Error, ValueError):
        stripped = data.rstrip("=")
        bad = next((place for place, each in enumerate(stripped) if not alphabet.fullmatch(each)), len(stripped))
        return f"illegal base{base} data at input byte {bad - bad % size if bad == len(data) and bad % size else bad}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise Wrong("JSON has no infinite numbers, and none that is not a number")
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return re.sub(r"e-0(\d)$", r"e-\1", real_text(value, "e"))
    return real_text(value, "f")


def _string(text: str, html: bool) -> str:
    escaped = json.dumps(re.sub("[\udc80-\udcff]", "\ufffd", whole(text)), ensure_ascii=False)
    escaped = escaped.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    if html:
        escaped = escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return escaped


def _encoded(value: Any, html: bool, pretty: str | None) -> str:
    """`pretty` is the line end with the indentation so far; None for one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return _number(value) if isinstance(value, float) else str(int(value))
    if isinstance(value, str):
        return _string(value, html)
    if isinstance(value, Moment):
        return _string(moment_format(value, "2006-01-02T15:04:05.999999999Z07:00"), html)
    inner = None if pretty is None else pretty + "  "
    colon = ":" if pretty is None else ": "
    if isinstance(value, list):
        parts, ends = [_encoded(each, html, inner) for each in value], "[]"
    elif isinstance(value, (dict, Record)):
        fields = value if isinstance(value, dict) else dict(value.fields)
        keys = sorted_keys(fields) if isinstance(value, dict) else list(fields)
        parts, ends = [_string(key, html) + colon + _encoded(fields[key], html, inner) for key in keys], "{}"
    else:
        raise Wrong(f"JSON has nothing for {type_name(value)}")
    if not parts or inner is None:
        return ends[0] + ",".join(parts) + ends[1]
    return f"{ends[0]}{inner}{f',{inner}'.join(parts)}{pretty}{ends[1]}"


def _encoder(*, must: bool, html: bool = True, pretty: bool = False) -> Any:
    def encode(value: Any) -> str:
        try:
            text = _encoded(value, html, "\n" if pretty else None)
        except Wrong:
            if must:
                raise
            return ""
        bounded(len(text))
        return text

    return encode


ENCODING("toJson", "any")(_encoder(must=False))
ENCODING("mustToJson", "any")(_encoder(must=True))
ENCODING("toPrettyJson", "any")(_encoder(must=False, pretty=True))
ENCODING("mustToPrettyJson", "any")(_encoder(must=True, pretty=True))
ENCODING("toRawJson", "any")(_encoder(must=False, html=False))
ENCODING("mustToRawJson", "any")(_encoder(must=True, html=False))


@ENCODING("fromJson", "string")
def from_json(text: str) -> Any:
    """Nil for what is no JSON. Numbers are floats."""
    try:
        return must_from_json(text)
    except Wrong:
        return None


@ENCODING("mustFromJson", "string")
def must_from_json(text: str) -> Any:
    try:
        text = re.sub("[\udc80-\udcff]", "\ufffd", whole(text))
        value = json.loads(text, parse_int=_finite, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise Wrong(f"the JSON has more than {MAX_VALUE_DEPTH} levels") from None
    except ValueError as error:
        raise Wrong(f"this is no JSON: {error}") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
