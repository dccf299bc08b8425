"""Fields of a spec, which may be anything, taken over one by one: what is of the wrong type refuses the object. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman_kubernetes.crd.references import Refused

Read = Callable[[Any, str], Any]
"""From a value and where it stands to what the configuration says. Refused if it cannot be that."""


_INT64: Final = 1 << 63
_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+|[0-9]+")
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zµ]*)")


def string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"{where}: must be a string")
    return value


def boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{where}: must be true or false")
    return value


def integer(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -_INT64 <= value < _INT64:
        raise Refused(f"{where}: must be a whole number of 64 bits")
    return value


def duration(value: Any, where: str) -> str:
    """Whole seconds or text (`10s`)."""
    words = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(words, str) or len(words) > 100 or not _DURATION.fullmatch(words):
        raise Refused(f"{where}: must be a duration, such as 1m30s, or a number of seconds")
    if sum(float(number) * _NANOSECONDS[unit or "s"] for number, unit in _PART.findall(words)) >= _INT64:
        raise Refused(f"{where}: is longer than 292 years")
    return words


def strings(value: Any, where: str) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list):
        raise Refused(f"{where}: must be a list")
    return [string(each, f"{where}[{index}]") for index, each in enumerate(value)]


def items(value: Any, where: str) -> list[Any]:
    """A list, whatever is in it; None is an empty one."""
    if not isinstance(value, list | None):
        raise Refused(f"{where}: must be a list")
    return list(value or ())


def mapping(value: Any, where: str) -> dict[str, str]:
    """Texts by names."""
    if not isinstance(value, Mapping):
        raise Refused(f"{where}: must be an object")
    return {name: string(each, f"{where}.{name}") for name, each in value.items()}


def block(reads: Mapping[str, Read]) -> Read:
    """An object of these fields."""
    return lambda value, where: take(value, where, reads)


def each(read: Read) -> Read:
    """A list of such."""

    def read_all(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise Refused(f"{where}: must be a list")
        return [read(item, f"{where}[{index}]") for index, item in enumerate(value)]

    return read_all


def take(spec: Any, where: str, reads: Mapping[str, Read]) -> dict[str, Any]:
    """Those of these fields that `spec` has. Others are left aside, as the API server does with those it does not know.

    Refused, with the place, for what is of the wrong type. `where` is "" for the spec itself.
    """
    if not isinstance(spec, Mapping):
        raise Refused(f"{where or 'spec'}: must be an object")
    prefix = f"{where}." if where else ""
    return {name: read(spec[name], prefix + name) for name, read in reads.items() if spec.get(name) is not None}
