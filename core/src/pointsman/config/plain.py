"""Configuration back to plain data, as `check --print` and the API show it: camelCase, durations as text, secrets masked."""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin

import attrs

from pointsman.config.blocks import fields_of
from pointsman.config.scalars import duration_text
from pointsman.config.spelling import spelled
from pointsman.values import MASK, Duration, FileOrContent, Secret, TextFile, Url, shown_url

Print = Callable[[Any, bool], Any]


def unstructure(instance: Any, *, omit_empty: bool = False) -> dict[str, Any]:
    """The plain data of an attrs instance, in the dialect's spelling. Absent (None) fields are left out.

    Durations are printed (`1m0s`), Secret and FileOrContent are `REDACTED` unless empty, and so is the password in a
    Url. With `omit_empty` false, zero and empty fields are left out too, as the API does (operations.md §6.4); blocks that
    are present stay.
    """
    plain: dict[str, Any] = _printer(type(instance))(instance, omit_empty)
    return plain


def _printer(annotation: Any) -> Print:
    if isinstance(annotation, type) and attrs.has(annotation):
        return _block(annotation)
    if annotation is Duration:
        return lambda value, _: duration_text(value)
    if annotation in (Secret, FileOrContent):
        return lambda value, _: MASK if value else ""
    if annotation is Url:
        return lambda value, _: shown_url(value)
    if annotation is TextFile:
        return lambda value, _: value.path
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict and len(arguments) == 2:
        entry = _printer(arguments[1])
        return lambda value, omit: {key: entry(item, omit) for key, item in value.items()}
    if origin in (list, tuple) and arguments:
        each = _printer(arguments[0])
        return lambda value, omit: [each(item, omit) for item in value]
    inner = [part for part in arguments if part is not NoneType]
    if len(inner) == 1 and len(arguments) == 2 and origin is not None:
        return _printer(inner[0])
    return _as_is


def _as_is(value: Any, omit_empty: bool) -> Any:
    """A plain value; what a raw field was replaced with, such as a plugin's Config, is printed like any block."""
    if attrs.has(type(value)):
        return _printer(type(value))(value, omit_empty)
    if isinstance(value, Mapping):
        return {key: _as_is(item, omit_empty) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_is(item, omit_empty) for item in value]
    return value


@cache
def _block(cls: type) -> Print:
    fields: list[tuple[str, str, Print]] = []

    def block(instance: Any, omit_empty: bool) -> dict[str, Any]:
        if not fields:
            fields.extend((each.name, spelled(each), _printer(each.type)) for each in fields_of(cls))
        plain = {}
        for name, key, show in fields:
            value = getattr(instance, name)
            if value is None or (omit_empty and not value and not attrs.has(type(value))):
                continue
            plain[key] = show(value, omit_empty)
        return plain

    return block
