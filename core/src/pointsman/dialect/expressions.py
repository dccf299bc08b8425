"""Conditions as circuitBreaker and buffering write them (middlewares.md §3.3, §3.5): text to a plain function, once.

    any        := all { "||" all }
    all        := comparison { "&&" comparison }
    comparison := operand [ ( "==" | "!=" | ">" | ">=" | "<" | "<=" ) operand ]
    operand    := "(" any ")" | literal | Function "(" [ literal { "," literal } ] ")"

Which functions there are is the caller's business: a table from names to `Function`. A function stands on the left of a
comparison, a literal on the right. There is no `!` and no minus. Everything is checked here, so nothing can fail later.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, Generic, Never, TypeVar

from attrs import frozen

from pointsman.routing.syntax import RuleError, unquoted

S = TypeVar("S")
MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 64


class ExpressionError(ValueError):
    """An expression that cannot be used: what came, where, what may stand there. `column` is 1-based, 0 for the whole."""

    def __init__(self, reason: str, column: int = 0) -> None:
        super().__init__(reason)
        self.column = column


class Kind(Enum):
    """What an argument has to be, or what a function gives; NUMBER is compared with either of the two before it."""

    WHOLE = "a whole number, like 2"
    FRACTION = "a number with a point, like 50.0"
    NUMBER = "a number, like 2 or 0.5"
    TEXT = 'a string, like "GET"'
    TRUTH = "true or false"


@frozen
class Function(Generic[S]):
    """`read(*arguments)` gives a function from a subject to a value; ValueError for arguments that it cannot use."""

    result: Kind
    read: Callable[..., Callable[[S], Any]]
    parameters: tuple[tuple[str, Kind], ...] = ()
    """Name and kind of each."""


@frozen(eq=False)
class Expression(Generic[S]):
    """A condition on a subject. `readings` are the calls in it, as written and as functions."""

    text: str
    holds: Callable[[S], bool]
    readings: Mapping[str, Callable[[S], Any]]
    functions: frozenset[str]
    """The names of those it calls."""

    def explain(self, subject: S) -> str:
        """What each call gives for this subject: `Attempts() = 2, ResponseCode() = 503`."""
        values = ((text, read(subject)) for text, read in self.readings.items())
        return ", ".join(
            f"{text} = {value:.4g}" if isinstance(value, float) else f"{text} = {value}" for text, value in values
        )


@frozen(eq=False)
class _Literal:
    kind: Kind
    value: Any
    text: str
    column: int


@frozen(eq=False)
class _Call:
    kind: Kind
    read: Callable[[Any], Any]
    text: str
    column: int


@frozen(eq=False)
class _Condition:
    test: Callable[[Any], bool]
    column: int


_Node = _Literal | _Call | _Condition
_Token = tuple[str, str, int]

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
      | (?P<name>[^\W\d]\w*)
      | (?P<raw>`[^`]*`)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<number>(?:[0-9]|\.[0-9])(?:[eE][+-]|[\w.])*)
      | (?P<sign>&&|\|\||==|!=|<=|>=|(?s:.))""",
    re.VERBOSE,
)
_WHOLE = re.compile(r"[0-9]{1,18}")
_FRACTION = re.compile(r"(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?|[0-9]+[eE][+-]?[0-9]{1,3}")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_MEANT = {"and": "&&", "or": "||", "&": "&&", "|": "||", "=": "==", "AND": "&&", "OR": "||"}


def compile_expression(text: str, functions: Mapping[str, Function[S]]) -> Expression[S]:
    """The condition that a text means. Raises ExpressionError and nothing else."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    parser = _Parser(text, functions)
    return Expression(text, parser.whole(), parser.readings, frozenset(parser.called))


class _Parser:
    """Recursive descent. Each method begins at its first token and leaves the position after its last."""

    def __init__(self, text: str, functions: Mapping[str, Function[Any]]) -> None:
        self._functions = functions
        self._tokens = [
            (match.lastgroup or "", match[0], match.start() + 1)
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "blank"
        ]
        self._end = ("end", "", len(text) + 1)
        self._position = 0
        self.readings: dict[str, Callable[[Any], Any]] = {}
        self.called: set[str] = set()

    def whole(self) -> Callable[[Any], bool]:
        if not self._tokens:
            raise ExpressionError(f"the expression is empty; it may use {_listed(self._functions)}")
        test = _condition(self._any_of(0)).test
        kind, value, column = self._peek()
        if kind != "end":
            self._unexpected(kind, value, column, "'&&' or '||'")
        return test

    def _peek(self) -> _Token:
        return self._tokens[self._position] if self._position < len(self._tokens) else self._end

    def _take(self, sign: str) -> bool:
        kind, value, _ = self._peek()
        if kind == "sign" and value == sign:
            self._position += 1
            return True
        return False

    def _any_of(self, depth: int) -> _Node:
        return self._joined("||", any, lambda: self._joined("&&", all, lambda: self._comparison(depth)))

    def _joined(self, sign: str, join: Callable[..., bool], part: Callable[[], _Node]) -> _Node:
        first = part()
        if not self._take(sign):
            return first
        tests = [_condition(first).test, _condition(part()).test]
        while self._take(sign):
            tests.append(_condition(part()).test)
        return _Condition(lambda subject: join(test(subject) for test in tests), first.column)

    def _comparison(self, depth: int) -> _Node:
        left = self._operand(depth)
        kind, sign, column = self._peek()
        if sign == "=":
            self._unexpected(kind, sign, column, "'=='")
        if kind != "sign" or sign not in _COMPARISONS:
            return left
        self._position += 1
        call, literal = _compared(left, sign, column, self._operand(depth))
        compare, read, value = _COMPARISONS[sign], call.read, literal.value
        if self._peek()[1] in _COMPARISONS:
            _, sign, column = self._peek()
            raise ExpressionError(f"a second comparison {sign!r} at column {column}; join two of them by '&&'", column)
        return _Condition(lambda subject: compare(read(subject), value), left.column)

    def _operand(self, depth: int) -> _Node:
        kind, value, column = self._peek()
        if kind == "sign" and value == "(":
            return self._group(depth, column)
        if kind == "name" and value not in _MEANT:
            return self._call(value, column)
        literal = self._literal()
        if literal is not None:
            return literal
        if value in ("!", "-"):
            way = "turn the comparison round" if value == "!" else "no value here is ever below 0"
            raise ExpressionError(f"{value} is not supported (at column {column}); {way}", column)
        self._unexpected(kind, value, column, f"one of {_listed(self._functions)}")

    def _group(self, depth: int, column: int) -> _Node:
        if depth == MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} parentheses inside each other at column {column}", column)
        self._position += 1
        inside = self._any_of(depth + 1)
        if not self._take(")"):
            kind, value, here = self._peek()
            self._unexpected(kind, value, here, f"')' for the '(' at column {column}")
        return inside

    def _literal(self) -> _Literal | None:
        """The number or string that stands here, if one does."""
        kind, text, column = self._peek()
        if kind in ("raw", "text"):
            self._position += 1
            try:
                return _Literal(Kind.TEXT, unquoted(kind, text, column), text, column)
            except RuleError as error:
                raise ExpressionError(error.reason, column) from None
        if kind != "number":
            return None
        self._position += 1
        if _WHOLE.fullmatch(text):
            return _Literal(Kind.WHOLE, int(text), text, column)
        if _FRACTION.fullmatch(text) and math.isfinite(float(text)):
            return _Literal(Kind.FRACTION, float(text), text, column)
        raise ExpressionError(f"{text[:40]!r} at column {column} is no number; write it like 2 or 0.5", column)

    def _call(self, name: str, column: int) -> _Call:
        function = self._functions.get(name)
        if function is None:
            raise ExpressionError(f"unknown function '{name[:100]}' at column {column}; {self._meant(name)}", column)
        self._position += 1
        if not self._take("("):
            raise ExpressionError(f"'{name}' at column {column} is not called; write {_shown(name, function)}", column)
        found = self._arguments(name, column)
        if len(found) != len(function.parameters):
            wanted = f"expected {_shown(name, function)}"
            raise ExpressionError(f"{name}() at column {column} got {_counted(len(found))}; {wanted}", column)
        for at, (literal, (_, kind)) in enumerate(zip(found, function.parameters, strict=True), 1):
            if literal.kind is not kind:
                what = f"argument {at} of {name}() at column {literal.column}"
                raise ExpressionError(f"{what}: expected {kind.value}, got {literal.text[:40]}", literal.column)
        try:
            read = function.read(*(literal.value for literal in found))
        except ValueError as error:
            raise ExpressionError(f"{name}() at column {column}: {error}", column) from None
        text = f"{name}({', '.join(literal.text for literal in found)})"
        self.called.add(name)
        self.readings[text] = read
        return _Call(function.result, read, text, column)

    def _arguments(self, name: str, column: int) -> list[_Literal]:
        found: list[_Literal] = []
        while not self._take(")"):
            if found and not self._take(","):
                self._unexpected(*self._peek(), f"',' or ')' in {name}() at column {column}")
            literal = self._literal()
            if literal is None:
                self._unexpected(*self._peek(), f"a number or a string in {name}() at column {column}")
            found.append(literal)
        return found

    def _meant(self, name: str) -> str:
        by_lower = {known.lower(): known for known in self._functions}
        close = get_close_matches(name[:100].lower(), by_lower, 1, 0.7)
        if close:
            known = by_lower[close[0]]
            return f"did you mean {_shown(known, self._functions[known])}?"
        return f"there are {_listed(self._functions)}"

    def _unexpected(self, kind: str, value: str, column: int, wanted: str) -> Never:
        if kind == "end":
            raise ExpressionError(f"the expression ends where {wanted} is expected", column)
        if value == '"' or value == "`":
            raise ExpressionError(f"the string opened by {value} at column {column} is never closed", column)
        meant = _MEANT.get(value)
        hint = f"did you mean '{meant}'?" if meant else f"expected {wanted}"
        raise ExpressionError(f"unexpected {value[:40]!r} at column {column}; {hint}", column)


def _condition(node: _Node) -> _Condition:
    """What is true or false about a subject. ExpressionError for a bare number or string."""
    if isinstance(node, _Condition):
        return node
    if isinstance(node, _Literal):
        raise ExpressionError(f"expected a comparison at column {node.column}, got {node.text[:40]}", node.column)
    if node.kind is not Kind.TRUTH:
        example = '== "GET"' if node.kind is Kind.TEXT else "> 1"
        way = f"write {node.text} {example}, or the like"
        raise ExpressionError(
            f"{node.text} at column {node.column} is {node.kind.value}, not a comparison; {way}", node.column
        )
    return _Condition(node.read, node.column)


def _compared(left: _Node, sign: str, column: int, right: _Node) -> tuple[_Call, _Literal]:
    """The function and the literal of a comparison, if the two can be compared so."""
    if not isinstance(left, _Call):
        what = left.text[:40] if isinstance(left, _Literal) else "a comparison"
        way = "a function stands on the left and what it is compared with on the right"
        raise ExpressionError(f"{what} at column {left.column} is left of {sign!r}; {way}", left.column)
    if left.kind is Kind.TRUTH:
        raise ExpressionError(f"{left.text} at column {left.column} is true or false already; leave out {sign!r}", column)
    if not isinstance(right, _Literal):
        what = right.text if isinstance(right, _Call) else "a comparison"
        raise ExpressionError(f"expected {left.kind.value}, at column {right.column}, got {what}", right.column)
    numbers = (Kind.WHOLE, Kind.FRACTION) if left.kind is Kind.NUMBER else (left.kind,)
    if right.kind not in numbers:
        what = f"{left.text} at column {left.column} is {left.kind.value}"
        raise ExpressionError(f"{what}; it cannot be compared with {right.text[:40]} at column {right.column}", right.column)
    if left.kind is Kind.TEXT and sign not in ("==", "!="):
        raise ExpressionError(f"strings are compared by == and !=, not by {sign!r}, at column {column}", column)
    return left, right


def _shown(name: str, function: Function[Any]) -> str:
    return f"{name}({', '.join(parameter for parameter, _ in function.parameters)})"


def _listed(functions: Mapping[str, Function[Any]]) -> str:
    return ", ".join(_shown(name, function) for name, function in functions.items())


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _counted(number: int) -> str:
    return f"{number or 'no'} argument{'s' * (number != 1)}"
