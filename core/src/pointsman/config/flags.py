"""Command-line flags to plain data (operations.md §1.3).

`--a.b=value` with one or two dashes; `--a.b value` for whatever is not a switch; a repeated list is extended, a repeated
scalar replaced. A word that belongs to no flag is a mistake, told as such, and never ends the reading.
"""

from collections.abc import Sequence
from typing import Any

from attrs import Factory, define

from pointsman.config.removed import removed_name
from pointsman.config.schema import Place, locate
from pointsman.config.sections import Sections
from pointsman.config.tree import Tree
from pointsman.errors import Problem


@define
class Flags:
    """What the command line says: plain data, the flags' names as given, and what was wrong."""

    raw: dict[str, Any] = Factory(dict)
    names: list[str] = Factory(list)
    config_file: str | None = None
    strict: bool = False
    problems: list[Problem] = Factory(list)
    strays: list[Problem] = Factory(list)
    """Words that belong to no flag, and removed options: wrong even where the flags themselves are ignored."""


def read_flags(argv: Sequence[str], sections: Sections) -> Flags:
    """Read every argument, `--configFile` and `--strict` apart from the rest."""
    flags, tree, words = Flags(), Tree(), list(argv)
    previous = ""
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or word.startswith("---") or not name:
            after = f" after {previous}; to give it a value write {previous}={word}" if previous else ""
            flags.strays.append(Problem("", f"stray word '{word}'{after}"))
            continue
        given = word.partition("=")[0]
        previous = "" if equals else given
        lower = name.lower()
        if lower == "configfile":
            flags.config_file = value if equals else (words.pop(0) if words and not _is_flag(words[0]) else "")
            previous = ""
            continue
        if lower == "strict":
            flags.strict = not equals or value.lower() in ("true", "1")
            continue
        flags.names.append(given)
        place = _place(given, name, sections, flags)
        takes_word = place is None or place.kind in ("scalar", "list")
        if not equals and takes_word and words and not _is_flag(words[0]):
            value, previous = words.pop(0), ""
        elif not equals and place is not None and takes_word:
            flags.problems.append(Problem(given, "needs a value"))
            continue
        elif not equals:
            value = "true"
        if place is not None:
            tree.put(place, value)
    flags.raw = tree.plain()
    return flags


def _place(given: str, name: str, sections: Sections, flags: Flags) -> Place | None:
    try:
        place = locate(name.split("."), sections)
    except ValueError as error:
        if gone := removed_name(name.split(".")):
            flags.strays += gone
        else:
            flags.problems.append(Problem(given, f"unknown flag {error}"))
        return None
    if place.kind in ("map", "blocks"):
        form = "<name>.<option>" if place.kind == "map" else "[0].<option>"
        flags.problems.append(Problem(given, f"needs to say which: {given}{'.' if place.kind == 'map' else ''}{form}=value"))
        return None
    return place


def _is_flag(word: str) -> bool:
    return word.startswith("-") and not word[1:2].isdigit() and len(word) > 1
