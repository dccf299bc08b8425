"""Label selectors, as `kubectl -l` takes them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]
_KEY: Final = r"([A-Za-z0-9._/-]+)"
_VALUE: Final = r"[A-Za-z0-9._-]*"
_SETS: Final = re.compile(rf"{_KEY}\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL: Final = re.compile(rf"{_KEY}\s*(==|=|!=)\s*({_VALUE})")
_THERE: Final = re.compile(rf"(!?)\s*{_KEY}")
_COMMA: Final = re.compile(r",(?![^()]*\))")


def selector(text: str) -> Selector:
    """Whether labels are selected. ValueError for what is no selector."""
    parts = [_part(part.strip()) for part in _COMMA.split(text)] if text.strip() else []
    return lambda labels: all(part(labels) for part in parts)


def _part(text: str) -> Selector:
    if match := _SETS.fullmatch(text):
        key, word, listed = match.groups()
        values = {each.strip() for each in listed.split(",")}
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise ValueError(f"{text!r} is no part of a label selector")
        return (lambda labels: labels.get(key) in values) if word == "in" else (lambda labels: labels.get(key) not in values)
    if match := _EQUAL.fullmatch(text):
        key, sign, value = match.groups()
        return (lambda labels: labels.get(key) != value) if sign == "!=" else (lambda labels: labels.get(key) == value)
    if match := _THERE.fullmatch(text):
        absent, key = match.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise ValueError(f"{text!r} is no part of a label selector")
