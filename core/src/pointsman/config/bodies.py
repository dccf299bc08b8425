"""Documents that come as text over HTTP (providers.md §1.8): YAML, and JSON whose unknown keys are ignored."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args, get_origin

import attrs

from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.dynamic import MIDDLEWARES, SECTIONS, TCP_MIDDLEWARES
from pointsman.config.load import load_json, load_text
from pointsman.config.middlewares import Kinds
from pointsman.config.schema import strip_optional
from pointsman.config.spelling import spelled
from pointsman.errors import ConfigError, Problem

_BY_LOWER = {path.lower(): path for path in SECTIONS}
_ROOTS = {path.partition(".")[0] for path in SECTIONS}


def read_yaml(data: bytes, name: str) -> Any:
    """Plain data, `{}` for an empty text. ConfigError, its place beginning with `name`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(name, f"is not UTF-8 text: {error.reason} at byte {error.start}")) from None
    try:
        document = load_text(text, _JSON if text.lstrip()[:1] == "{" else _YAML)
    except ConfigError as error:
        raise ConfigError(
            attrs.evolve(each, path=name + each.path.removeprefix(_JSON).removeprefix(_YAML)) for each in error.problems
        ) from None
    return {} if document is None else document


_JSON, _YAML = "body.json", "body.yaml"


def read_json(data: bytes) -> Any:
    """Plain data, `{}` for null. ConfigError for anything that is not JSON."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("", f"is not UTF-8 text: {error.reason} at byte {error.start}")) from None
    document = load_json(text)
    return {} if document is None else document


def known_part(document: Any, middlewares: Kinds, tcp_middlewares: Kinds) -> Any:
    """A document without the keys that nobody knows. What is no block where one belongs stays, to be refused.

    A kind of middleware that no plugin provides stays, too: whoever wrote it wants to hear which package brings it.
    """
    if not isinstance(document, Mapping):
        return document
    return {
        root: _area(str(root).lower(), area, middlewares, tcp_middlewares)
        for root, area in document.items()
        if str(root).lower() in _ROOTS
    }


def _area(root: str, area: Any, middlewares: Kinds, tcp_middlewares: Kinds) -> Any:
    if not isinstance(area, Mapping):
        return area
    kinds = {MIDDLEWARES: middlewares, TCP_MIDDLEWARES: tcp_middlewares}
    found = {}
    for key, elements in area.items():
        section = _BY_LOWER.get(f"{root}.{str(key).lower()}")
        if section in kinds:
            configs = {name.lower(): kind.Config for name, kind in kinds[section].items()}
            found[key] = _each(elements, lambda element, configs=configs: _middleware(element, configs))
        elif section is not None:
            found[key] = _each(elements, lambda element, cls=SECTIONS[section]: _known(cls, element))
    return found


def _middleware(element: Any, configs: Mapping[str, type]) -> Any:
    if not isinstance(element, Mapping):
        return element
    return {
        kind: _middleware(options, configs)
        if kind.lower() == "plugin" and "plugin" not in configs
        else _known(configs.get(kind.lower(), Any), options)
        for kind, options in element.items()
    }


def _known(annotation: Any, value: Any) -> Any:
    """The value without unknown keys, at any depth."""
    annotation = strip_optional(annotation)
    origin = get_origin(annotation)
    if origin in (list, tuple) and isinstance(value, list):
        return [_known(get_args(annotation)[0], each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if origin is dict:
        return {key: _known(get_args(annotation)[1], each) for key, each in value.items()}
    cls = inner_class(annotation)
    if cls is None:
        return value
    fields = _fields(cls)
    return {key: _known(fields[key.lower()], each) for key, each in value.items() if key.lower() in fields}


@lru_cache(maxsize=1024)
def _fields(cls: type) -> dict[str, Any]:
    return {spelled(attribute).lower(): attribute.type for attribute in fields_of(cls)}


def _each(elements: Any, edit: Any) -> Any:
    if isinstance(elements, Mapping):
        return {name: edit(element) for name, element in elements.items()}
    return [edit(element) for element in elements] if isinstance(elements, list) else elements
