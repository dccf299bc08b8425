"""The functions that every Go template has (text/template/funcs.go, Go 1.26); its `slice` is hidden by sprig's."""

import operator
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote_plus

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import bounded
from pointsman.dialect.gotemplate.printing import formatted, plain, printed
from pointsman.dialect.gotemplate.values import Byte, Moment, Record, StringMap, as_bytes, truth, type_name, whole

BUILTINS: Final = Group()
_HTML: Final = str.maketrans({'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
_JS: Final = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def _decided(*values: Any) -> Any:
    """`and` and `or` are of the language: the interpreter does not evaluate what does not matter."""
    raise Wrong("it cannot be called like this")


for _name in ("and", "or"):
    BUILTINS(_name, "any", "...any")(_decided)


@BUILTINS("not", "any")
def negated(value: Any) -> bool:
    return not truth(value)


@BUILTINS("call", "any", "...any")
def call(value: Any, *_: Any) -> Any:
    raise Wrong(f"a value of type {type_name(value)} is no function")


def _kind(value: Any) -> str:
    """What kinds of values compare with each other."""
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "none" if value is None else "other"


@BUILTINS("eq", "any", "...any")
def equal(first: Any, *others: Any) -> bool:
    if not others:
        raise Wrong("missing argument for comparison")
    kind = _kind(first)
    for other in others:
        other_kind = _kind(other)
        if kind != other_kind:
            if "none" not in (kind, other_kind):
                raise Wrong(f"incompatible types for comparison: {type_name(first)} and {type_name(other)}; convert one")
            continue
        if kind == "other" and (type(first) is not type(other) or not isinstance(first, (Moment, Record))):
            raise Wrong(f"values of type {type_name(first)} and {type_name(other)} do not compare; use deepEqual")
        if bool(first == other):
            return True
    return False


@BUILTINS("ne", "any", "any")
def unequal(first: Any, other: Any) -> bool:
    return not equal(first, other)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def ordered(first: Any, other: Any) -> bool:
        if _kind(first) not in ("int", "float", "string"):
            raise Wrong(f"values of type {type_name(first)} have no order")
        if _kind(first) != _kind(other):
            raise Wrong(f"incompatible types for comparison: {type_name(first)} and {type_name(other)}; convert one")
        if isinstance(first, str):
            return bool(compare(as_bytes(first), as_bytes(other)))
        return bool(compare(first, other))

    return ordered


for _name, _compare in (("lt", operator.lt), ("le", operator.le), ("gt", operator.gt), ("ge", operator.ge)):
    BUILTINS(_name, "any", "any")(_ordered(_compare))


@BUILTINS("len", "any")
def length(value: Any) -> int:
    """Bytes of a string; elements of a list or map."""
    if isinstance(value, str):
        return len(as_bytes(value))
    if isinstance(value, (list, dict)):
        return len(value)
    raise Wrong(f"a value of type {type_name(value)} has no length")


@BUILTINS("index", "any", "...any")
def index(value: Any, *places: Any) -> Any:
    for place in places:
        value = _element(value, place)
    return value


def _element(value: Any, place: Any) -> Any:
    if isinstance(value, dict):
        if not isinstance(place, str) and place is not None:
            raise Wrong(f"{type_name(place)} is not the index type of {type_name(value)}")
        return value.get(place or "", "" if isinstance(value, StringMap) else None)
    if not isinstance(value, (list, str)):
        raise Wrong("there is no value to index" if value is None else f"can't index a value of type {type_name(value)}")
    if not isinstance(place, int) or isinstance(place, bool):
        raise Wrong(f"can't index a list or string with a value of type {type_name(place)}")
    found: Any = as_bytes(value) if isinstance(value, str) else value
    if not 0 <= place < len(found):
        raise Wrong(f"index out of range: {place}, of {len(found)}")
    return Byte(found[place]) if isinstance(value, str) else found[place]


@BUILTINS("print", "...any")
def print_(*values: Any) -> str:
    return printed(values)


@BUILTINS("println", "...any")
def println(*values: Any) -> str:
    return " ".join(map(plain, values)) + "\n"


BUILTINS("printf", "string", "...any")(lambda text, *values: formatted(text, values))


def _text(values: tuple[Any, ...]) -> str:
    return printed(["<no value>" if value is None else value for value in values])


@BUILTINS("html", "...any")
def html(*values: Any) -> str:
    return _text(values).translate(_HTML)


@BUILTINS("js", "...any")
def js(*values: Any) -> str:
    return "".join(map(_js_character, whole(_text(values))))


def _js_character(character: str) -> str:
    if found := _JS.get(character):
        return found
    if character.isprintable() or character == " ":
        return character
    number = ord(character)
    return f"\\u{0xFFFD if 0xDC80 <= number <= 0xDCFF else number:04X}"


@BUILTINS("urlquery", "...any")
def urlquery(*values: Any) -> str:
    text = quote_plus(as_bytes(_text(values)), safe="")
    bounded(len(text))
    return text
