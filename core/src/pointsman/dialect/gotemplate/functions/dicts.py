"""Sprig's functions of dicts (sprig 3.2: dict.go). `set`, `unset` and the merges change the dict they are given.

Where Go gives keys and values in a random order, these are sorted, so that nothing changes by itself.
"""

from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.printing import plain
from pointsman.dialect.gotemplate.values import Strings, as_bytes, truth, type_name

DICTS: Final = Group()


def sorted_keys(value: dict[str, Any]) -> list[str]:
    return sorted(value, key=as_bytes)


@DICTS("dict", "...any")
def dict_(*values: Any) -> dict[str, Any]:
    """Keys and values by turns; a last key without a value has an empty string."""
    pairs = [*values, ""] if len(values) % 2 else list(values)
    return {plain(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


DICTS("get", "dict", "string")(lambda found, key: found.get(key, ""))
DICTS("hasKey", "dict", "string")(lambda found, key: key in found)
DICTS("pluck", "string", "...dict")(lambda key, *dicts: [each[key] for each in dicts if key in each])
DICTS("keys", "...dict")(lambda *dicts: Strings(key for each in dicts for key in sorted_keys(each)))
DICTS("values", "dict")(lambda found: [found[key] for key in sorted_keys(found)])
DICTS("pick", "dict", "...string")(lambda found, *keys: {key: found[key] for key in keys if key in found})
DICTS("omit", "dict", "...string")(lambda found, *keys: {key: found[key] for key in found if key not in keys})


@DICTS("set", "any", "string", "any")
def set_(found: Any, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Wrong(f"nothing can be set in a value of type {type_name(found)}; it takes a dict")
    found[key] = value
    return found


@DICTS("unset", "dict", "string")
def unset(found: dict[str, Any], key: str) -> dict[str, Any]:
    found.pop(key, None)
    return found


@DICTS("merge mustMerge", "dict", "...dict")
def merge(into: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    """What is missing or empty comes from the sources, the first before the next; dicts inside are merged too."""
    for source in sources:
        _merge(into, source, overwrite=False)
    return into


@DICTS("mergeOverwrite mustMergeOverwrite", "dict", "...dict")
def merge_overwrite(into: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    """What the sources have counts, the last before the others."""
    for source in sources:
        _merge(into, source, overwrite=True)
    return into


def _merge(into: dict[str, Any], source: dict[str, Any], *, overwrite: bool) -> None:
    for key, value in list(source.items()):
        own = into.get(key)
        if isinstance(own, dict) and isinstance(value, dict):
            _merge(own, value, overwrite=overwrite)
        elif overwrite or not truth(own):
            into[key] = value


@DICTS("dig", "any", "...any")
def dig(*arguments: Any) -> Any:
    """`dig "a" "b" default dict`: what is at a, then b; the default if there is no such key."""
    if len(arguments) < 3:
        raise Wrong("it takes keys, a default and a dict, three arguments or more")
    *keys, default, found = arguments
    for key in keys:
        if not isinstance(key, str) or not isinstance(found, dict):
            raise Wrong(f"it takes strings as keys and dicts below them, not {type_name(found)} at {plain(key)}")
        if key not in found:
            return default
        found = found[key]
    return found


@DICTS("deepCopy mustDeepCopy", "any")
def deep_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return type(value)({key: deep_copy(each) for key, each in value.items()})
    return type(value)(map(deep_copy, value)) if isinstance(value, list) else value
