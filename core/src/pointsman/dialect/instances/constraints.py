"""Constraints: which instances count at all (providers.md §1.6). Parsed once, so that a typo is told at the start."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pointsman.routing.regex import compile_search
from pointsman.routing.syntax import And, Call, Node, Not, Or, RuleError, parse_tree

Test = Callable[[Any], bool]
"""Asked of an instance's labels, or of its tags."""


def compile_constraints(text: str, *, by_tags: bool) -> Test:
    """Whether an instance with these labels (with `by_tags`: these tags) counts; all do if there is no text.

    ValueError says what is wrong with the text, and in which column.
    """
    if not text.strip():
        return lambda _: True
    functions = _OF_TAGS if by_tags else _OF_LABELS
    example = "Tag(`public`)" if by_tags else "Label(`tier`, `front`)"
    try:
        return _compiled(parse_tree(text, what="expression", example=example), functions)
    except RuleError as error:
        raise ValueError(error.reason) from None


def _compiled(node: Node, functions: Mapping[str, tuple[int, Callable[..., Test]]]) -> Test:
    match node:
        case Call():
            return _call(node, functions)
        case Not(part):
            test = _compiled(part, functions)
            return lambda subject: not test(subject)
        case And(parts):
            tests = [_compiled(part, functions) for part in parts]
            return lambda subject: all(test(subject) for test in tests)
        case Or(parts):
            tests = [_compiled(part, functions) for part in parts]
            return lambda subject: any(test(subject) for test in tests)


def _call(call: Call, functions: Mapping[str, tuple[int, Callable[..., Test]]]) -> Test:
    where = f"at column {call.column}"
    if call.name not in functions:
        raise ValueError(f"unsupported function: '{call.name[:100]}' {where}; {_meant(call.name, functions)}")
    number, make = functions[call.name]
    if len(call.args) != number:
        raise ValueError(f"{call.name}() {where} got {len(call.args)} arguments; write {_SHOWN[call.name]}")
    try:
        return make(*call.args)
    except ValueError as error:
        raise ValueError(f"{error}, in {call.name}() {where}") from None


def _meant(name: str, functions: Mapping[str, Any]) -> str:
    known = {other.lower(): other for other in functions}
    close = get_close_matches(name[:100].lower(), known, 1, 0.7)
    if close:
        return f"did you mean {_SHOWN[known[close[0]]]}?"
    return f"there are {' and '.join(_SHOWN[other] for other in functions)} here"


def _label(key: str, value: str) -> Test:
    return lambda labels: bool(labels.get(key, "") == value)


def _label_regex(key: str, pattern: str) -> Test:
    search = compile_search(pattern)
    return lambda labels: search(_encoded(labels.get(key, "")))


def _tag(tag: str) -> Test:
    return lambda tags: tag in tags


def _tag_regex(pattern: str) -> Test:
    search = compile_search(pattern)

    def some(tags: Sequence[str]) -> bool:
        return any(search(_encoded(tag)) for tag in tags)

    return some


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_OF_LABELS: Final[Mapping[str, tuple[int, Callable[..., Test]]]] = {"Label": (2, _label), "LabelRegex": (2, _label_regex)}
_OF_TAGS: Final[Mapping[str, tuple[int, Callable[..., Test]]]] = {"Tag": (1, _tag), "TagRegex": (1, _tag_regex)}
_SHOWN: Final = {
    "Label": "Label(`key`, `value`)",
    "LabelRegex": "LabelRegex(`key`, `regex`)",
    "Tag": "Tag(`tag`)",
    "TagRegex": "TagRegex(`regex`)",
}
