"""Where a dotted name leads in the static models: what flags and environment variables need to know of types."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import attrs
from attrs import frozen

from pointsman.api import Feature
from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.observability_model import AccessLog, Log, Metrics, Tracing
from pointsman.config.sections import PLUGGED, Sections, is_catalogued
from pointsman.config.spelling import spelled, suggestion
from pointsman.config.static import Providers, Static

Kind = Literal["bool", "scalar", "list", "block", "blocks", "map", "free"]
_INDEXED = re.compile(r"(.*)\[([0-9]{1,4})\]")


@frozen
class Place:
    """A named place: its keys as spelled (an int is a list's index), and what stands there."""

    keys: tuple[str | int, ...]
    kind: Kind


def strip_optional(annotation: Any) -> Any:
    """`X | None` -> `X`."""
    inner = [part for part in get_args(annotation) if part is not type(None)]
    is_union = get_origin(annotation) not in (list, dict, tuple, Literal, None)
    return inner[0] if is_union and len(inner) == 1 else annotation


def kind_of_type(annotation: Any) -> Kind:
    """How values of this annotation are written."""
    if inner_class(annotation):
        return "block"
    origin = get_origin(annotation)
    if origin in (list, tuple):
        return "blocks" if inner_class(get_args(annotation)[0]) else "list"
    if origin is dict:
        return "map"
    return "bool" if annotation is bool else "free" if annotation is Any else "scalar"


def locate(segments: Iterable[str], sections: Sections) -> Place:
    """The place that `entrypoints`, `web`, `address` lead to, whatever their case. ValueError says where the way ends."""
    annotation: Any = Static
    keys: list[str | int] = []
    for segment in segments:
        indexed = _INDEXED.fullmatch(segment)
        name = indexed[1] if indexed else segment
        if isinstance(annotation, type) and attrs.has(annotation):
            key, annotation = _field(annotation, name, sections)
            keys.append(key)
        elif get_origin(annotation) in (list, tuple) and name.isdecimal():
            annotation = get_args(annotation)[0]
            keys.append(int(name[:4]))
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            keys.append(name)
        elif isinstance(annotation, _PluginNames):
            annotation = annotation.config(name)
            keys.append(name)
        elif annotation is Any:
            keys.append(name)
        else:
            raise ValueError(f"(field not found, node: {name[:100]}): nothing can stand below a single value")
        annotation = strip_optional(annotation)
        if indexed:
            if get_origin(annotation) not in (list, tuple):
                raise ValueError(f"(field not found, node: {segment[:100]}): it is not a list and takes no index")
            annotation = get_args(annotation)[0]
            keys.append(int(indexed[2]))
    return Place(tuple(keys), "map" if isinstance(annotation, _PluginNames) else kind_of_type(annotation))


@frozen
class _PluginNames:
    """`providers.plugin`: free names, each of a provider's Config."""

    providers: Mapping[str, type[Feature]]

    def config(self, name: str) -> Any:
        return next((cls.Config for key, cls in self.providers.items() if key.lower() == name.lower()), Any)


SECTION_OF: Final[Mapping[type, str]] = {
    Providers: "providers", Metrics: "metrics", Tracing: "tracing", Log: "log", AccessLog: "accessLog",
}  # fmt: skip
"""Classes of sections in which plugins are named."""


def _field(cls: type, name: str, sections: Sections) -> tuple[str, Any]:
    lower = name.lower()
    section = SECTION_OF.get(cls, "")
    known = sections.get(section, {})
    fields: dict[str, Any] = {
        spelled(attribute): attribute.type for attribute in fields_of(cls) if not section or attribute.name not in PLUGGED
    }
    if section:
        fields |= {key: kind.Config for key, kind in known.items()}
    if cls is Providers:
        fields["plugin"] = _PluginNames(known)
    for key, annotation in fields.items():
        if key.lower() == lower:
            return key, annotation
    if cls is Providers or is_catalogued(section, name):  # whoever structures it names the package to install
        return name, Any
    raise ValueError(f"(field not found, node: {name[:100]}){suggestion(name, fields)}")
