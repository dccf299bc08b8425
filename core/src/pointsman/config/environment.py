"""Environment variables to plain data (operations.md §1.4): `TRAEFIK_LOG_LEVEL`, and `POINTSMAN_LOG_LEVEL` before it."""

import re
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define

from pointsman.config.removed import removed_name
from pointsman.config.schema import locate
from pointsman.config.sections import Sections
from pointsman.config.spelling import suggestion
from pointsman.config.static import ROOTS
from pointsman.config.tree import Tree
from pointsman.errors import Problem

PREFIXES = ("TRAEFIK_", "POINTSMAN_")
"""The later one wins."""

_NOTICED = re.compile(r"(?:TRAEFIK|POINTSMAN)_([A-Z0-9]+)(?:_.*)?", re.DOTALL)


@define
class Variables:
    """What the environment says: plain data, the variables' names, and what was wrong."""

    raw: dict[str, Any] = Factory(dict)
    names: list[str] = Factory(list)
    config_file: str | None = None
    strict: bool = False
    problems: list[Problem] = Factory(list)
    strays: list[Problem] = Factory(list)
    """Removed options: wrong even where the variables themselves are ignored."""


def read_environment(environ: Mapping[str, str], sections: Sections) -> Variables:
    """Read the variables that name a root section; others are ignored, near misses with a warning."""
    variables, tree = Variables(), Tree()
    for prefix in PREFIXES:
        for name in sorted(environ):
            if name.startswith(prefix) and (noticed := _NOTICED.fullmatch(name)):
                _read(name, name.removeprefix(prefix), noticed[1], environ[name], sections, variables, tree)
    variables.raw = tree.plain()
    return variables


def _read(
    name: str,
    path: str,
    root: str,
    value: str,
    sections: Sections,
    variables: Variables,
    tree: Tree,
) -> None:
    if path == "CONFIGFILE":
        variables.config_file = value
    elif path == "STRICT":
        variables.strict = value.lower() in ("true", "1")
    elif gone := removed_name(path.lower().split("_")):
        variables.strays += gone
    elif root.lower() not in ROOTS:
        if hint := suggestion(root, [known.upper() for known in ROOTS.values()]):
            variables.problems.append(Problem(name, f"names no section and is ignored{hint}", warning=True))
    else:
        variables.names.append(name)
        try:
            place = locate(path.lower().split("_"), sections)
        except ValueError as error:
            variables.problems.append(Problem(name, f"unknown option {error}"))
            return
        if place.kind == "list" and not isinstance(place.keys[-1], int):
            tree.clear(place)
        tree.put(place, value)
