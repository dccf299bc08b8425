"""Rule text to syntax tree (routing.md §3.1): tokens, grammar, limits. Knows no matcher.

    expr   := and { "||" and }
    and    := unary { "&&" unary }
    unary  := "!" unary | "(" expr ")" | Matcher "(" [ str { "," str } [","] ] ")"

Newlines are blanks wherever they stand, so a line may begin with an operator as well as end with one. Every limit is checked
before recursion or memory could feel it.
"""

import re
from typing import Never

from attrs import field, frozen

MAX_LENGTH = 64 * 1024
MAX_DEPTH = 64
MAX_ARGUMENTS = 1024
MAX_CALLS = 4096


class RuleError(ValueError):
    """A rule that cannot be used. `column` is 1-based, 0 for the whole rule; `reason` is the text without its prefix."""

    def __init__(self, reason: str, column: int = 0) -> None:
        super().__init__(f"error while parsing rule: {reason}")
        self.reason = reason
        self.column = column


@frozen(cache_hash=True)
class Call:
    """A matcher with its arguments, as written."""

    name: str
    args: tuple[str, ...]
    column: int = field(eq=False)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(quoted, self.args))})"


@frozen
class Not:
    part: "Node"

    def __str__(self) -> str:
        return f"!{self.part}" if isinstance(self.part, Call) else f"!({self.part})"


@frozen
class And:
    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " && ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@frozen
class Or:
    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " || ".join(map(str, self.parts))


Node = Call | Not | And | Or


def quoted(text: str) -> str:
    """The text as a Go string literal: raw if it can be."""
    if "`" not in text and text.isprintable():
        return f"`{text}`"
    return '"' + "".join(map(_quoted_char, text)) + '"'


def _quoted_char(char: str) -> str:
    code = ord(char)
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # the latter: a byte that is no UTF-8
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+|//[^\n]*|/\*(?s:.*?)\*/)
      | (?P<name>[^\W\d]\w*)
      | (?P<raw>`[^`]*`)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<CHAR>'(?:[^'\\\n]|\\.)*')
      | (?P<number>\d[\w.]*)
      | (?P<sign>&&|\|\||==|!=|<=|>=|(?s:.))""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))", re.DOTALL
)
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_MEANT = {"and": "&&", "or": "||", "not": "!", "&": "&&", "|": "||", "AND": "&&", "OR": "||", "NOT": "!"}

_Token = tuple[str, str, int]
_END: _Token = ("end", "", -1)


def tokenise(text: str) -> list[_Token]:
    """(kind, text, column) of everything that is not blank. RuleError for what no token begins with."""
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind, value, column = match.lastgroup or "", match[0], match.start() + 1
        if kind == "blank":
            continue
        if kind == "sign" and value in "`\"'/":
            _refuse_opening(text, value, column)
        tokens.append((kind, value, column))
    return tokens


def _refuse_opening(text: str, value: str, column: int) -> None:
    if value == "/":
        if text.startswith("/*", column - 1):
            raise RuleError(f"the comment opened at column {column} is never closed", column)
        return
    raise RuleError(f"the string opened by {value} at column {column} is never closed", column)


def unquoted(kind: str, literal: str, column: int) -> str:
    """The text that a Go string literal means. Bytes that are no UTF-8 are held as surrogate escapes."""
    if kind == "raw":
        return literal[1:-1].replace("\r", "")
    if "\\" not in literal:
        return literal[1:-1]

    pieces: list[bytes] = []
    end = 1
    for match in _ESCAPE.finditer(literal, 1, len(literal) - 1):
        pieces.append(literal[end : match.start()].encode())
        pieces.append(_escaped(match, column))
        end = match.end()
    pieces.append(literal[end:-1].encode())
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def _escaped(match: re.Match[str], column: int) -> bytes:
    simple, octal, byte, short, long, _ = match.groups()
    if simple:
        return bytes([_SIMPLE[simple]])
    if octal and int(octal, 8) < 256:
        return bytes([int(octal, 8)])
    if byte:
        return bytes([int(byte, 16)])
    if short or long:
        code = int(short or long, 16)
        if code < 0x110000 and not 0xD800 <= code < 0xE000:
            return chr(code).encode()
    column += match.start()
    raise RuleError(f"unknown escape {match[0]} at column {column}; write the text in backticks to have none", column)


class _Parser:
    """Recursive descent. Each method begins at its first token and leaves the position after its last."""

    def __init__(self, text: str, what: str, example: str) -> None:
        self._tokens = tokenise(text)
        self._position = 0
        self._calls = 0
        self._what = what
        self._example = example

    def rule(self) -> Node:
        if not self._tokens:
            raise RuleError(f"the {self._what} is empty")
        tree = self._any_of(0)
        kind, value, column = self._peek()
        if kind != "end":
            self._unexpected(kind, value, column, "'&&' or '||'")
        return tree

    def _peek(self) -> _Token:
        return self._tokens[self._position] if self._position < len(self._tokens) else _END

    def _take(self, sign: str) -> bool:
        kind, value, _ = self._peek()
        if kind == "sign" and value == sign:
            self._position += 1
            return True
        return False

    def _any_of(self, depth: int) -> Node:
        parts = [self._all_of(depth)]
        while self._take("||"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._take("&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Node:
        negated = False
        while self._take("!"):
            negated = not negated
        kind, value, column = self._peek()
        if kind == "sign" and value == "(":
            part = self._group(depth, column)
        elif kind == "name" and value not in _MEANT:
            part = self._call(value, column)
        else:
            self._unexpected(kind, value, column, self._example)
        return Not(part) if negated else part

    def _group(self, depth: int, column: int) -> Node:
        if depth == MAX_DEPTH:
            raise RuleError(f"more than {MAX_DEPTH} parentheses inside each other at column {column}", column)
        self._position += 1
        part = self._any_of(depth + 1)
        if not self._take(")"):
            kind, value, here = self._peek()
            self._unexpected(kind, value, here, f"')' for the '(' at column {column}")
        return part

    def _call(self, name: str, column: int) -> Call:
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise RuleError(f"more than {MAX_CALLS} matchers in one {self._what}, at column {column}", column)
        self._position += 1
        if not self._take("("):
            kind, value, here = self._peek()
            if value == ".":
                raise RuleError(f"unsupported function: '{name}.' at column {column}; matchers have plain names", column)
            raise RuleError(f"'{name}' at column {column} has no arguments; write {name}(`…`)", column)

        args: list[str] = []
        while not self._take(")"):
            if args and not self._take(","):
                kind, value, here = self._peek()
                self._unexpected(kind, value, here, f"',' or ')' in the arguments of '{name}' at column {column}")
            if args and self._take(")"):
                break
            args.append(self._argument(name, column))
            if len(args) > MAX_ARGUMENTS:
                raise RuleError(f"more than {MAX_ARGUMENTS} arguments for '{name}' at column {column}", column)
        return Call(name, tuple(args), column)

    def _argument(self, name: str, column: int) -> str:
        kind, value, here = self._peek()
        if kind in ("raw", "text"):
            self._position += 1
            return unquoted(kind, value, here)
        if kind == "CHAR":
            what = "'CHAR'"
        elif kind == "number":
            what = "'INT'" if value.isdigit() else "'FLOAT'"
        elif kind == "name" or value in ("!", "("):
            what = f"'{value}'"
        else:
            self._unexpected(kind, value, here, f"an argument of '{name}' at column {column}")
        hint = f"write {quoted(value.strip(chr(39)))}"
        raise RuleError(f"unsupported function argument type: {what} at column {here}; {hint}", here)

    def _unexpected(self, kind: str, value: str, column: int, wanted: str) -> Never:
        if kind == "end":
            raise RuleError(f"the {self._what} ends where {wanted} is expected")
        meant = _MEANT.get(value)
        hint = f"did you mean '{meant}'?" if meant else f"expected {wanted}"
        raise RuleError(f"unexpected {value!r} at column {column}; {hint}", column)


def parse_tree(text: str, *, what: str = "rule", example: str = "a matcher such as Host(`example.com`)") -> Node:
    """The syntax tree of a rule, or of what else is written so. Raises RuleError and nothing else.

    `what` and `example` are what messages call it, and say may stand where something is missing.
    """
    if len(text) > MAX_LENGTH:
        raise RuleError(f"the {what} is longer than {MAX_LENGTH} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RuleError(f"a lone surrogate at column {error.start + 1} is not a character", error.start + 1) from None
    return _Parser(text, what, example).rule()
