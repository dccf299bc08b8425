"""The one converter: plain data to frozen attrs classes, strictly, with every mistake and its path.

cattrs finds the hook for a type and keeps it; the hooks are ours, for its own coerce. A hook raises ValueError for its own
value and Mistakes for values inside it; whoever holds the value puts its name in front, so a right document builds no path.
(routing.md §0, operations.md §1.2 and §1.5)
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from attrs import has
from cattrs import Converter

from pointsman.config import scalars
from pointsman.config.blocks import block_hook, is_on
from pointsman.config.mistakes import ABSENT, BadValue, Hook, Mistakes, Refused, noted
from pointsman.config.scalars import kind_of, shown
from pointsman.config.spelling import suggestion
from pointsman.errors import Problem
from pointsman.values import Duration, FileOrContent, Secret, TextFile, Url

T = TypeVar("T")


def structure(cls: type[T], raw: Any, path: str = "", *, allow_empty: bool = True) -> tuple[T | None, list[Problem]]:
    """An instance of the frozen attrs class `cls` from plain data, or None and every problem, each with its full path.

    - Keys are compared without case, the keys of maps keep theirs; null is absent; one key in two spellings is refused.
    - `allow_empty` is for the outermost block: may it be `{}` or `true`? A scalar that means off gives (None, []).
    - Annotations may be str, int, bool, float, Duration, Secret, FileOrContent, TextFile, Url, list[X], tuple[X, ...],
      dict[str, X], Literal[...], X | None, attrs classes, and Any, which is kept raw.
    - Never raises for any data; TypeError for a class with another annotation, which is the class's mistake.
    """
    value, problems = _structure(cls, raw, path, allow_empty)
    return value, [problem.plain() if isinstance(problem, Refused) else problem for problem in problems]


def misshapen(cls: type, raw: Any, path: str = "", *, allow_empty: bool = True) -> list[Problem]:
    """Only the problems of shape: unknown keys, wrong types, empty blocks (routing.md §0).

    What validators, Literals and required fields refuse concerns its element alone, and is left out.
    """
    _, problems = _structure(cls, raw, path, allow_empty)
    return [problem for problem in problems if not isinstance(problem, Refused)]


def _structure(cls: type[T], raw: Any, path: str, allow_empty: bool) -> tuple[T | None, list[Problem]]:
    try:
        value = _enter(hook_for(cls), raw, allow_empty)
    except Mistakes as mistakes:
        return None, mistakes.under(path)
    except ValueError as error:
        return None, [Problem(path, str(error))]
    return (None if value is ABSENT else value), []


def hook_for(annotation: Any) -> Hook:
    """The hook that structures a value of this annotation; found once."""
    return _converter.get_structure_hook(annotation)


def _enter(hook: Hook, raw: Any, allow_empty: bool) -> Any:
    if isinstance(raw, Mapping):
        if not raw and not allow_empty:
            raise ValueError("cannot be a standalone element; give it at least one option")
    elif allow_empty and not isinstance(raw, list | tuple):
        return hook({}, None) if is_on(raw) else ABSENT
    return hook(raw, None)


def _scalar(function: Callable[[Any], Any]) -> Hook:
    return lambda raw, _: function(raw)


def _unsupported(annotation: Any) -> Hook:
    raise TypeError(f"a configuration field cannot be of type {annotation!r}; see pointsman.config.convert.structure")


def _optional(annotation: Any) -> Hook:
    inner = [part for part in get_args(annotation) if part is not NoneType]
    if len(inner) != 1:
        _unsupported(annotation)
    return hook_for(inner[0])


def _literal(annotation: Any) -> Hook:
    allowed = get_args(annotation)
    listed = ", ".join(map(str, allowed))

    def one_of(raw: Any, _: Any) -> Any:
        for choice in allowed:
            if type(raw) in (type(choice), str) and str(raw) == str(choice):
                return choice
        hint = suggestion(raw, map(str, allowed)) if isinstance(raw, str) else ""
        raise BadValue(f"expected one of {listed}, got {shown(raw)}{hint}")

    return one_of


def _list(annotation: Any) -> Hook:
    item_type, *_ = get_args(annotation) or (Any,)
    item, container = hook_for(item_type), get_origin(annotation)
    blocks = has(item_type)

    def items(raw: Any, _: Any) -> Any:
        if blocks and isinstance(raw, str | bool | int | float):
            raise ValueError(f"expected a list of blocks, got {kind_of(raw)}")
        if isinstance(raw, str):
            raw = [part.strip() for part in raw.split(",")] if raw.strip() else []
        elif isinstance(raw, bool | int | float):
            raw = [raw]
        if not isinstance(raw, list | tuple):
            raise ValueError(f"expected a list, got {kind_of(raw)}")
        values = []
        mistakes: Mistakes | None = None
        for index, each in enumerate(raw):
            if each is None:
                continue
            try:
                values.append(item(each, item_type))
            except (Mistakes, ValueError) as error:
                mistakes = noted(mistakes, f"[{index}]", error)
        if mistakes is not None:
            raise mistakes
        return values if container is list else container(values)

    return items


def _dict(annotation: Any) -> Hook:
    key_type, value_type = get_args(annotation) or (str, Any)
    if key_type is not str:
        _unsupported(annotation)
    hook = hook_for(value_type)

    def entries(raw: Any, _: Any) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise ValueError(f"expected a block of names and values, got {kind_of(raw)}")
        values: dict[str, Any] = {}
        mistakes: Mistakes | None = None
        for key, value in raw.items():
            if value is None:
                continue
            try:
                values[key if type(key) is str else str(key)] = hook(value, value_type)
            except (Mistakes, ValueError) as error:
                mistakes = noted(mistakes, str(key), error)
        if mistakes is not None:
            raise mistakes
        return values

    return entries


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple and get_args(annotation)[1:] == (Ellipsis,)


_FACTORIES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hook]], ...] = (  # cattrs asks the last one first
    (lambda _: True, _unsupported),
    (lambda annotation: annotation is Any, lambda _: lambda raw, _: raw),
    (lambda annotation: annotation in (Secret, FileOrContent, Url), lambda _: _scalar(scalars.to_text)),
    (lambda annotation: annotation is Duration, lambda _: _scalar(scalars.to_duration)),
    (lambda annotation: get_origin(annotation) is Literal, _literal),
    (lambda annotation: get_origin(annotation) in (Union, UnionType), _optional),
    (lambda annotation: get_origin(annotation) is dict, _dict),
    (lambda annotation: get_origin(annotation) is list, _list),
    (_is_tuple, _list),
    (lambda annotation: isinstance(annotation, type) and has(annotation), lambda cls: block_hook(cls, hook_for)),
)
_converter = Converter(detailed_validation=False)
for _predicate, _factory in _FACTORIES:
    _converter.register_structure_hook_factory(_predicate, _factory)
for _type, _function in ((str, scalars.to_text), (bool, scalars.to_bool), (int, scalars.to_int), (float, scalars.to_float)):
    _converter.register_structure_hook(_type, _scalar(_function))
_converter.register_structure_hook(TextFile, lambda raw, _: raw if type(raw) is TextFile else TextFile(scalars.to_text(raw)))
