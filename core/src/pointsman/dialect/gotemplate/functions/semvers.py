"""Sprig's semantic versions (Masterminds/semver 3)."""

import re
from collections.abc import Callable
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.values import Record

SEMVERS: Final = Group()
_VERSION = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_PART = r"v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_CONSTRAINT = re.compile(rf"(=|==|!=|>|<|>=|=>|<=|=<|~|~>|\^|)\s*({_PART})")
_BETWEEN = re.compile(rf"({_PART})\s+-\s+({_PART})")
_JOINED = re.compile(r"(=|==|!=|>|<|>=|=>|<=|=<|~|~>|\^)\s+")
Version = tuple[int, int, int, str]


def _numbers(text: str) -> "re.Match[str]":
    match = _VERSION.fullmatch(text)
    if match is None or len(text) > 256:
        raise Wrong(f"{text[:50]!r} is no semantic version")
    return match


def _version(text: str) -> Version:
    match = _numbers(text)
    return int(match[1]), int(match[2] or 0), int(match[3] or 0), match[4] or ""


def _order(version: Version) -> tuple[Any, ...]:
    """A key by which versions sort: numbers below words, a prerelease below its release."""
    parts = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in version[3].split(".")] if version[3] else []
    return (*version[:3], not version[3], parts)


@SEMVERS("semver", "string")
def semver(text: str) -> Record:
    match = _numbers(text)
    major, minor, patch, prerelease = _version(text)
    metadata = match[5] or ""
    fields = {
        "Major": major,
        "Minor": minor,
        "Patch": patch,
        "Prerelease": prerelease,
        "Metadata": metadata,
        "Original": text,
    }
    shown = f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else "") + (f"+{metadata}" if metadata else "")
    return Record("*semver.Version", fields, shown)


@SEMVERS("semverCompare", "string", "string")
def semver_compare(constraint: str, text: str) -> bool:
    """Whether a version meets a constraint such as `>=1.2, <2 || ~3.1`."""
    version = _version(text)
    alternatives = [_meets_all(alternative, version) for alternative in constraint.split("||")]  # all are checked
    return any(alternatives)


def _meets_all(text: str, version: Version) -> bool:
    text = _BETWEEN.sub(lambda match: f">={match[1]} <={match[6]}", text.strip())
    parts = [each for each in re.split(r"[,\s]+", _JOINED.sub(r"\1", text)) if each]
    if not parts:
        raise Wrong("an empty constraint")
    met = [_meets(part, version) for part in parts]
    return all(met)


def _meets(text: str, version: Version) -> bool:
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise Wrong(f"{text[:50]!r} is no constraint of versions")
    operator, prerelease = match[1], (match[6] or "")[1:]
    given = [each for each in match.groups()[2:5] if each is not None and each not in "xX*"]
    numbers = [*map(int, given), 0, 0, 0][:3]
    wanted: Version = (numbers[0], numbers[1], numbers[2], prerelease)
    if version[3] and not prerelease and operator != "!=":
        return False
    return _COMPARISONS[operator](version, wanted, len(given))


def _below(version: Version, wanted: Version, place: int) -> bool:
    """Whether it is below the next version at that place."""
    return place <= 0 or version[:place] <= wanted[:place]


def _tilde(version: Version, wanted: Version, given: int) -> bool:
    return _order(version) >= _order(wanted) and version[: min(given, 2)] == wanted[: min(given, 2)]


def _caret(version: Version, wanted: Version, given: int) -> bool:
    if _order(version) < _order(wanted):
        return False
    place = next((place for place in range(given) if wanted[place]), given - 1)
    return version[: place + 1] == wanted[: place + 1]


_COMPARISONS: Final[dict[str, Callable[[Version, Version, int], bool]]] = {
    "": lambda version, wanted, given: _equal(version, wanted, given),
    "=": lambda version, wanted, given: _equal(version, wanted, given),
    "==": lambda version, wanted, given: _equal(version, wanted, given),
    "!=": lambda version, wanted, given: not _equal(version, wanted, given),
    ">": lambda version, wanted, given: (
        _order(version) > _order(wanted) and (given == 3 or version[:given] > wanted[:given])
    ),
    "<": lambda version, wanted, given: _order(version) < _order(wanted),
    ">=": lambda version, wanted, given: _order(version) >= _order(wanted),
    "=>": lambda version, wanted, given: _order(version) >= _order(wanted),
    "<=": lambda version, wanted, given: _order(version) <= _order(wanted) or (given < 3 and _below(version, wanted, given)),
    "=<": lambda version, wanted, given: _order(version) <= _order(wanted) or (given < 3 and _below(version, wanted, given)),
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


def _equal(version: Version, wanted: Version, given: int) -> bool:
    return _tilde(version, wanted, given) if given < 3 else _order(version) == _order(wanted)
