"""Functions of templates: their names, what they take, and what is checked before they are called.

A function gets plain values (`values`) and gives one back; it raises Wrong for what it cannot do. Go compares types when a
template runs, so each parameter says what it takes. Two things are taken here that Go refuses: any whole number where an int
is wanted (`until (add 1 2)`), and a map of strings where a dict is (`hasKey .Labels "x"`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from attrs import frozen

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.values import Moment, type_name

_TAKEN: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "dict": (dict,), "time": (Moment,),
}  # fmt: skip
F = TypeVar("F", bound=Callable[..., Any])
_SHOWN: Final = {"float": "float64", "dict": "map[string]interface {}", "time": "time.Time"}


@frozen
class Function:
    """`parameters` are of `any`, `string`, `int`, `float`, `bool`, `dict`, `time`; `rest` is that of any number more."""

    name: str
    parameters: tuple[str, ...]
    rest: str | None
    call: Callable[..., Any]

    def expect(self, number: int) -> None:
        """Wrong if it does not take so many arguments."""
        least = len(self.parameters)
        if number < least or (number > least and self.rest is None):
            wanted = f"at least {least}" if self.rest is not None else f"{least}"
            raise Wrong(f"wrong number of arguments for {self.name}: want {wanted}, got {number}")

    def kind(self, place: int) -> str:
        """What it takes there."""
        return self.parameters[place] if place < len(self.parameters) else self.rest or "any"


Library = Mapping[str, Function]
"""Functions by name."""


class Group(dict[str, Function]):
    """Functions that belong together. Decorates them with their names, separated by blanks, and their parameters."""

    def __call__(self, names: str, *parameters: str) -> Callable[[F], F]:
        rest = parameters[-1][3:] if parameters and parameters[-1].startswith("...") else None
        plain = parameters[:-1] if rest is not None else parameters

        def add(call: F) -> F:
            for name in names.split():
                self[name] = Function(name, plain, rest, call)
            return call

        return add


def joined(groups: Iterable[Library]) -> dict[str, Function]:
    """One library of several; the last one to bring a name wins."""
    return {name: function for group in groups for name, function in group.items()}


def checked(value: Any, kind: str) -> Any:
    """The value as a function takes it. Wrong if it is of another type."""
    if kind == "any":
        return value
    if kind == "dict" and value is None:
        return {}
    if isinstance(value, _TAKEN[kind]) and (kind == "bool" or not isinstance(value, bool)):
        return value
    wanted = _SHOWN.get(kind, kind)
    if value is None:
        raise Wrong(f"there is no value where a {wanted} is expected; give one with 'default'")
    raise Wrong(f"wrong type: expected {wanted}, got {type_name(value)}")
