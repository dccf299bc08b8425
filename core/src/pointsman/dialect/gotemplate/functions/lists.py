"""Sprig's functions of lists (sprig 3.2: list.go). None changes what it is given."""

from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.functions.numbers import whole_of
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import bounded
from pointsman.dialect.gotemplate.values import identity, truth, type_name

LISTS: Final = Group()


def a_list(value: Any, doing: str) -> list[Any]:
    if not isinstance(value, list):
        raise Wrong(f"cannot {doing} a value of type {type_name(value)}; it takes a list")
    return value


LISTS("list tuple", "...any")(lambda *values: list(values))
LISTS("append push mustAppend mustPush", "any", "any")(lambda values, value: [*a_list(values, "append to"), value])
LISTS("prepend mustPrepend", "any", "any")(lambda values, value: [value, *a_list(values, "prepend to")])
LISTS("first mustFirst", "any")(lambda values: next(iter(a_list(values, "take the first of")), None))
LISTS("last mustLast", "any")(lambda values: a_list(values, "take the last of")[-1] if values else None)
LISTS("rest mustRest", "any")(lambda values: list(a_list(values, "take the rest of")[1:]))
LISTS("initial mustInitial", "any")(lambda values: list(a_list(values, "take the beginning of")[:-1]))
LISTS("reverse mustReverse", "any")(lambda values: list(a_list(values, "reverse")[::-1]))
LISTS("compact mustCompact", "any")(lambda values: [each for each in a_list(values, "compact") if truth(each)])


@LISTS("uniq mustUniq", "any")
def uniq(values: Any) -> list[Any]:
    firsts: dict[Any, Any] = {}
    for each in a_list(values, "make unique"):
        firsts.setdefault(identity(each), each)
    return list(firsts.values())


@LISTS("without mustWithout", "any", "...any")
def without(values: Any, *omitted: Any) -> list[Any]:
    gone = set(map(identity, omitted))
    return [each for each in a_list(values, "take from") if identity(each) not in gone]


@LISTS("has mustHas", "any", "any")
def has(value: Any, values: Any) -> bool:
    wanted = identity(value)
    return values is not None and any(identity(each) == wanted for each in a_list(values, "search"))


@LISTS("slice mustSlice", "any", "...any")
def slice_(values: Any, *bounds: Any) -> Any:
    found = a_list(values, "slice")
    if not found:
        return None
    start = whole_of(bounds[0]) if bounds else 0
    end = whole_of(bounds[1]) if len(bounds) > 1 else len(found)
    if not 0 <= start <= end <= len(found):
        raise Wrong(f"slice bounds out of range: {start} to {end}, of {len(found)}")
    return type(found)(found[start:end])


@LISTS("concat", "...any")
def concat(*lists: Any) -> list[Any]:
    bounded(sum(len(a_list(each, "concatenate")) for each in lists))
    return [each for values in lists for each in values]


@LISTS("chunk mustChunk", "int", "any")
def chunk(size: int, values: Any) -> list[Any]:
    found = a_list(values, "cut into chunks")
    if size < 1:
        raise Wrong("chunks of fewer than one element")
    return [list(found[place : place + size]) for place in range(0, len(found), size)]
