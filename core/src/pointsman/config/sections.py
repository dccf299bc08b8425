"""Sections of the static configuration in which plugins are named, such as `tracing.zipkin`: each by its own Config."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import attrs

from pointsman.api import Feature
from pointsman.catalogue import DISTRIBUTIONS, missing
from pointsman.config.blocks import fields_of
from pointsman.config.convert import structure
from pointsman.config.scalars import kind_of
from pointsman.config.spelling import spelled, unknown_key
from pointsman.errors import Problem

Sections = Mapping[str, Mapping[str, type[Feature]]]
"""Section -> the name that users write -> the class."""

PLUGGED: Final = ("kinds", "plugin", "exporters")
"""Fields that hold what plugins made of their options: nobody writes these names."""

_KINDS: Final = {
    "providers": "providers",
    "metrics": "metrics_exporters",
    "tracing": "span_exporters",
    "log": "log_exporters",
    "accessLog": "log_exporters",
}
"""What the catalogue calls those that a section names."""

T = TypeVar("T")


def is_catalogued(section: str, name: str) -> bool:
    """Whether some package is known to bring this name."""
    return name.lower() in DISTRIBUTIONS.get(_KINDS.get(section, ""), {})


def structure_section(
    cls: type[T],
    raw: Any,
    section: str,
    known: Mapping[str, type[Feature]],
    default: str = "",
    *,
    allow_empty: bool = True,
) -> tuple[T | None, list[Problem]]:
    """A section whose exporters are plugins, and its problems; (None, []) if it is off.

    `exporters` of `cls` gets an instance of the Config of each that is named, or of `default` if none is.
    """
    if not isinstance(raw, Mapping):
        own, problems = structure(cls, raw, section, allow_empty=allow_empty)
        if own is None:
            return None, problems
        raw = {}
    if not raw and not allow_empty:
        return None, [Problem(section, f"{section} cannot be a standalone element; name an exporter, or leave it out")]
    by_lower = {name.lower(): name for name in known}
    keys = [spelled(attribute) for attribute in fields_of(cls) if attribute.name not in PLUGGED]
    lower_keys = {key.lower() for key in keys}
    common: dict[Any, Any] = {}
    exporters: dict[str, Any] = {}
    problems = []
    named = False
    for key, options in raw.items():
        lower = str(key).lower()
        if lower in lower_keys:
            common[key] = options
        elif options is None:
            continue
        elif lower in by_lower:
            name = by_lower[lower]
            named = _add(exporters, name, known[name], options, section, problems) or named
        elif is_catalogued(section, str(key)):
            named = True
            problems.append(Problem(f"{section}.{key}", missing(_KINDS[section], str(key), known)))
        else:
            problems.append(Problem(section, unknown_key(str(key), [*keys, *known])))
    if default and not named and not problems:
        if default in known:
            _add(exporters, default, known[default], {}, section, problems)
        else:
            problems.append(Problem(f"{section}.{default}", missing(_KINDS[section], default, known)))
    own, mistakes = structure(cls, common, section)
    if own is None or problems or mistakes:
        return None, [*mistakes, *problems]
    return attrs.evolve(own, exporters=exporters), []  # type: ignore[misc]


def _add(into: dict[str, Any], name: str, cls: type[Feature], options: Any, section: str, problems: list[Problem]) -> bool:
    """Structure one exporter's options; false if they say that it is off."""
    if not isinstance(options, Mapping | bool | str):
        problems.append(Problem(f"{section}.{name}", f"expected a block of options, got {kind_of(options)}"))
        return True
    config, mistakes = structure(cls.Config, options, f"{section}.{name}")
    problems += mistakes
    if config is not None:
        into[name] = config
    return config is not None or bool(mistakes)
