"""Every flag with its type, default and a line of help, generated from the models (operations.md §1.3)."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import attrs

from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.scalars import duration_text
from pointsman.config.schema import SECTION_OF, kind_of_type, strip_optional
from pointsman.config.sections import PLUGGED, Sections
from pointsman.config.spelling import spelled
from pointsman.config.static import Static
from pointsman.values import MASK, Duration, FileOrContent, Secret, Url

Row = tuple[str, str, str, str]
_OWN: tuple[Row, ...] = (
    ("--configFile", "string", "", "File to read; then flags and environment are ignored"),
    ("--strict", "bool", "false", "Refuse what Traefik refuses, and a configFile that is missing"),
)


def flag_help(sections: Sections) -> list[Row]:
    """`(flag, type, default, help)` of every flag there is, sorted."""
    rows = [*_OWN, *_rows("--", Static)]
    for section, kinds in sections.items():
        for name, kind in kinds.items():
            rows.append((f"--{section}.{name}", "switch", "", _first_line(kind.__doc__)))
            rows += _rows(f"--{section}.{name}.", kind.Config)
    return sorted(rows, key=lambda row: row[0].lower())


def _rows(prefix: str, cls: type) -> Iterator[Row]:
    for attribute in fields_of(cls):
        if cls in SECTION_OF and attribute.name in PLUGGED:
            continue
        yield from _row(f"{prefix}{spelled(attribute)}", strip_optional(attribute.type), attribute)


def _row(flag: str, annotation: Any, attribute: Any) -> Iterator[Row]:
    kind, text = kind_of_type(annotation), str(attribute.metadata.get("help", ""))
    if kind == "block":
        if attribute.metadata.get("allow_empty"):
            yield flag, "switch", "", text
        inner = inner_class(annotation)
        if inner is not None:
            yield from _rows(f"{flag}.", inner)
    elif kind == "blocks":
        yield from _rows(f"{flag}[0].", get_args(annotation)[0])
    elif kind == "map":
        value = get_args(annotation)[1]
        if inner := inner_class(value):
            yield from _rows(f"{flag}.<name>.", inner)
        else:
            yield f"{flag}.<name>", _type(value), "", text
    else:
        yield flag, _type(annotation), _default(attribute, annotation), text


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (list, tuple):
        return f"list of {_type(get_args(annotation)[0])}"
    names = {str: "string", bool: "bool", int: "int", float: "float", Duration: "duration", Secret: "secret", Url: "URL"}
    return names.get(annotation, "file or text" if annotation is FileOrContent else "any")


def _default(attribute: Any, annotation: Any) -> str:
    value = attribute.default
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        value = None if value.takes_self else value.factory()
    if value is None or value is attrs.NOTHING or value == "":
        return ""
    if annotation in (Secret, FileOrContent):
        return MASK
    if annotation is Duration:
        return duration_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
