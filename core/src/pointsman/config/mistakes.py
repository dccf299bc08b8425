"""Problems on their way up through a document."""

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve, frozen

from pointsman.config.spelling import join
from pointsman.errors import Problem

Hook = Callable[[Any, Any], Any]
"""Structures one value; the second argument is its type, which cattrs passes and most do not need."""

ABSENT: Final = object()
"""What a hook gives for a block that is written as off, `tls: false`."""


class BadValue(ValueError):
    """A value of the right type that its field does not allow."""


@frozen
class Refused(Problem):
    """A problem with what a value is, not with the shape of the document: it concerns its element alone."""

    def plain(self) -> Problem:
        return Problem(self.path, self.message, self.warning)


class Mistakes(Exception):
    """Several problems inside one value; their paths are relative to it."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []

    def add(self, path: str, error: "Mistakes | ValueError | str") -> None:
        """Take over an error of the value that `path` names."""
        if isinstance(error, Mistakes):
            self.problems += error.under(path)
        else:
            kind = Refused if isinstance(error, BadValue) else Problem
            self.problems.append(kind(path, str(error)))

    def under(self, path: str) -> list[Problem]:
        """The problems as seen from outside: their paths begin with `path`."""
        return [evolve(problem, path=join(path, problem.path)) for problem in self.problems]


def noted(mistakes: Mistakes | None, path: str, error: Mistakes | ValueError | str) -> Mistakes:
    """`mistakes` with one more, made at the first: a value without any costs nothing."""
    if mistakes is None:
        mistakes = Mistakes()
    mistakes.add(path, error)
    return mistakes
