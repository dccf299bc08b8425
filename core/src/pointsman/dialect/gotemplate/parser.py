"""Tokens to blocks of nodes, as Go's text/template/parse builds them (Go 1.26).

Functions and variables must be known when they are named; a wrong template is refused before it runs.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from pointsman.dialect.gotemplate import literals
from pointsman.dialect.gotemplate.errors import TemplateError, at
from pointsman.dialect.gotemplate.lexer import SPACES, Kind, Token, tokens
from pointsman.dialect.gotemplate.limits import MAX_NESTING
from pointsman.dialect.gotemplate.nodes import (
    Action,
    Block,
    Break,
    Call,
    Chain,
    Command,
    Continue,
    Dot,
    Field,
    If,
    Literal,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    Range,
    Text,
    Variable,
    Word,
)

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
_NO_FUNCTIONS = (Literal, Dot, Nil, Number)
_OPERANDS = {Kind.WORD, Kind.FIELD, Kind.VARIABLE, Kind.DOT, Kind.NUMBER, Kind.CHAR, Kind.STRING, Kind.RAW, Kind.OPEN}


def parse(name: str, text: str, functions: Collection[str]) -> Mapping[str, Block]:
    """All templates that the text defines; "" is the text itself. TemplateError if it is wrong."""
    return _Parser(name, text, functions).parse()


class _Parser:
    def __init__(self, name: str, text: str, functions: Collection[str]) -> None:
        self._name = name
        self._text = text
        self._functions = functions
        self._tokens = tokens(name, text)
        self._ahead: list[Token] = []
        self._variables = ["$"]
        self._loops = 0
        self._depth = 0
        self._blocks: dict[str, Block] = {}

    def parse(self) -> Mapping[str, Block]:
        nodes, closing = self._list(top=True)
        if closing is not None:
            raise self._wrong(closing, f"'{{{{{closing.text}}}}}' closes nothing; no block is open")
        self._blocks[""] = nodes
        return self._blocks

    def _next(self) -> Token:
        return self._ahead.pop() if self._ahead else next(self._tokens)

    def _back(self, *last: Token) -> None:
        self._ahead.extend(reversed(last))

    def _next_word(self) -> Token:
        """The next token that is no space."""
        token = self._next()
        while token.kind is Kind.SPACE:
            token = self._next()
        return token

    def _peek(self) -> Token:
        token = self._next()
        self._back(token)
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._back(token)
        return token

    def _wrong(self, token: Token | int, message: str) -> TemplateError:
        return at(self._name, self._text, token if isinstance(token, int) else token.offset, message)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        return self._wrong(token, f"unexpected {token} in {context}")

    def _close(self, context: str) -> None:
        token = self._next_word()
        if token.kind is not Kind.RIGHT:
            raise self._unexpected(token, f"{context}; expected '}}}}'")

    def _deeper(self, token: Token, by: int) -> None:
        self._depth += by
        if self._depth > MAX_NESTING:
            raise self._wrong(token, f"more than {MAX_NESTING} blocks or parentheses are inside each other; nest less")

    def _list(self, *, top: bool = False) -> tuple[Block, Token | None]:
        """Nodes up to the `end` or `else` that closes them, which is given back too; None at the end of the text."""
        nodes: list[Node] = []
        while True:
            token = self._next_word()
            if token.kind is Kind.END:
                if top:
                    return tuple(nodes), None
                raise self._wrong(token, "a block is not closed; end it with '{{end}}'")
            if token.kind is Kind.TEXT:
                nodes.append(Text(token.offset, token.text))
                continue
            word = self._next_word()
            if word.kind is Kind.WORD and word.text in ("end", "else"):
                return tuple(nodes), word
            if word.kind is Kind.WORD and word.text == "define":
                self._definition(word, top)
            elif word.kind is Kind.WORD and word.text in _CONTROLS:
                self._deeper(word, 1)
                nodes.append(_CONTROLS[word.text](self, word))
                self._deeper(word, -1)
            else:
                self._back(word)
                nodes.append(Action(word.offset, self._pipeline("an action")))

    def _apart(self, word: Token, context: str) -> Block:
        """The body of a template of its own: it sees no variables and no loop from around it."""
        variables, loops = self._variables, self._loops
        self._variables, self._loops = ["$"], 0
        nodes, closing = self._list()
        self._variables, self._loops = variables, loops
        if closing is None or closing.text != "end":
            raise self._wrong(closing or word, f"unexpected '{{{{else}}}}' in {context}")
        self._close("end")
        return nodes

    def _definition(self, word: Token, top: bool) -> None:
        if not top:
            raise self._wrong(word, "'define' may not stand inside a block; move it to the top level")
        name = self._template_name("define")
        self._close("define")
        self._deeper(word, 1)
        self._add(word, name, self._apart(word, "define"))
        self._deeper(word, -1)

    def _add(self, word: Token, name: str, nodes: Block) -> None:
        before = self._blocks.get(name)
        if before is None or _is_blank(before):
            self._blocks[name] = nodes
        elif not _is_blank(nodes):
            raise self._wrong(word, f"the template {name!r} is defined twice; rename one")

    def _template_name(self, context: str) -> str:
        token = self._next_word()
        if token.kind not in (Kind.STRING, Kind.RAW):
            raise self._unexpected(token, f"{context}; expected the name of a template in quotes")
        return self._string(token)

    def _string(self, token: Token) -> str:
        try:
            return literals.unquoted(token.text)
        except ValueError as error:
            raise self._wrong(token, str(error)) from None

    def _body(self, word: Token) -> tuple[int, Pipe, Block, Token | None]:
        """What stands between a control word and its `else` or `end`."""
        pipe = self._pipeline(word.text)
        loop = word.text == "range"
        self._loops += loop
        then, closing = self._list()
        self._loops -= loop
        return word.offset, pipe, then, closing

    def _otherwise(self, closing: Token | None) -> Block:
        """What follows an `else`; nothing if there is none."""
        nodes: Block = ()
        if closing is not None and closing.text == "else":
            self._close("else")
            nodes, closing = self._list()
            if closing is not None and closing.text == "else":
                raise self._wrong(closing, "a second '{{else}}'; expected '{{end}}'")
        self._close("end")
        return nodes

    def _if(self, word: Token) -> Node:
        known = len(self._variables)
        chain = [self._body(word)]
        while (closing := chain[-1][3]) is not None and closing.text == "else":
            following = self._peek_word()
            if following.kind is not Kind.WORD or following.text != word.text:
                break
            chain.append(self._body(self._next_word()))
        nodes = self._otherwise(closing)
        for offset, pipe, then, _ in reversed(chain):
            nodes = (If(offset, pipe, then, nodes, rebinds=word.text == "with"),)
        del self._variables[known:]
        return nodes[0]

    def _range(self, word: Token) -> Node:
        known = len(self._variables)
        offset, pipe, body, closing = self._body(word)
        node = Range(offset, pipe, body, self._otherwise(closing))
        del self._variables[known:]
        return node

    def _template(self, word: Token) -> Node:
        name = self._template_name("template")
        token = self._next_word()
        if token.kind is Kind.RIGHT:
            return Call(word.offset, name, None)
        self._back(token)
        return Call(word.offset, name, self._pipeline("template"))

    def _block(self, word: Token) -> Node:
        name = self._template_name("block")
        pipe = self._pipeline("block")
        self._add(word, name, self._apart(word, "block"))
        return Call(word.offset, name, pipe)

    def _jump(self, word: Token) -> Node:
        self._close(word.text)
        if not self._loops:
            raise self._wrong(word, f"'{word.text}' stands in no range")
        return Break(word.offset) if word.text == "break" else Continue(word.offset)

    def _pipeline(self, context: str, closing: Kind = Kind.RIGHT) -> Pipe:
        begin = self._peek_word()
        declared, assigns = self._declarations(context)
        commands: list[Command] = []
        while True:
            token = self._next_word()
            if token.kind is closing:
                break
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._back(token)
            commands.append(self._command(context))
        if not commands:
            raise self._wrong(token, f"a value is missing in {context}")
        for command in commands[1:]:
            if isinstance(command.words[0], _NO_FUNCTIONS):
                raise self._wrong(command.offset, "what follows a '|' must be a function, not a value")
        if not assigns:
            self._variables.extend(declared)
        return Pipe(begin.offset, tuple(commands), declared, assigns)

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =` and `$i, $x :=`."""
        declared: list[str] = []
        while (token := self._peek_word()).kind is Kind.VARIABLE:
            self._next_word()
            adjacent = self._next()
            after = self._next_word() if adjacent.kind is Kind.SPACE else adjacent
            if after.kind in (Kind.DECLARE, Kind.ASSIGN):
                declared.append(token.text)
                assigns = after.kind is Kind.ASSIGN
                for name in declared if assigns else ():
                    self._known(token, name)
                return tuple(declared), assigns
            if after.kind is not Kind.COMMA:
                if declared:
                    raise self._wrong(after, "expected ':=' after the variables of a range")
                self._back(token, *([adjacent] if after is adjacent else [adjacent, after]))
                break
            if context != "range" or declared:
                raise self._wrong(token, f"too many variables are declared in {context}")
            declared.append(token.text)
        if declared:
            raise self._wrong(token, "a range can only declare variables")
        return (), False

    def _known(self, token: Token, name: str) -> None:
        if name not in self._variables:
            raise self._wrong(token, f"the variable {name} is not defined here; declare it with ':='")

    def _command(self, context: str) -> Command:
        words: list[Operand] = []
        begin = self._peek_word()
        while True:
            self._peek_word()
            if (operand := self._operand()) is not None:
                words.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.CLOSE):
                self._back(token)
            elif token.kind is not Kind.PIPE:
                raise self._unexpected(token, f"{context}; arguments are separated by spaces")
            break
        if not words:
            raise self._wrong(begin, f"a command is empty in {context}")
        return Command(begin.offset, tuple(words))

    def _operand(self) -> Operand | None:
        """A term and the fields behind it. None at what is no term."""
        token = self._next_word()
        term = self._term(token)
        if term is None:
            self._back(token)
            return None
        names: list[str] = []
        while (after := self._peek()).kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if not names:
            return term
        if isinstance(term, Field):
            return Field(term.offset, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(term.offset, term.name, tuple(names))
        if isinstance(term, (Literal, Number, Nil, Dot)):
            raise self._wrong(after, f"unexpected '.{names[0]}' after {token.text!r}")
        inner = term if isinstance(term, Pipe) else Pipe(term.offset, (Command(term.offset, (term,)),))
        return Chain(term.offset, inner, tuple(names))

    def _term(self, token: Token) -> Operand | None:
        match token.kind:
            case Kind.WORD:
                return self._word(token)
            case Kind.DOT:
                return Dot(token.offset)
            case Kind.VARIABLE:
                self._known(token, token.text)
                return Variable(token.offset, token.text)
            case Kind.FIELD:
                return Field(token.offset, (token.text[1:],))
            case Kind.STRING | Kind.RAW:
                return Literal(token.offset, self._string(token))
            case Kind.NUMBER | Kind.CHAR:
                return self._number(token)
            case Kind.OPEN:
                self._deeper(token, 1)
                pipe = self._pipeline("parentheses", Kind.CLOSE)
                self._deeper(token, -1)
                return pipe
        return None

    def _word(self, token: Token) -> Operand:
        if token.text in ("true", "false"):
            return Literal(token.offset, token.text == "true")
        if token.text == "nil":
            return Nil(token.offset)
        if token.text in KEYWORDS:
            raise self._wrong(token, f"unexpected {token.text!r}; it may only begin an action")
        if token.text not in self._functions:
            raise self._wrong(token, f"the function {token.text!r} is not known; see the list of functions for its spelling")
        return Word(token.offset, token.text)

    def _number(self, token: Token) -> Number:
        text = token.text
        try:
            if token.kind is Kind.CHAR:
                value = literals.character(text)
                return Number(token.offset, text, value, value, float(value))
        except ValueError as error:
            raise self._wrong(token, str(error)) from None
        whole = literals.integer(text)
        if whole is not None:
            if not -(2**63) <= whole < 2**63:
                raise self._wrong(token, f"{text} does not fit into 64 bits")
            return Number(token.offset, text, whole, whole, float(whole))
        real = literals.real(text)
        if real is None:
            raise self._wrong(token, f"{text!r} is not a number")
        exact = int(real) if real.is_integer() and abs(real) < 2**63 else None
        return Number(token.offset, text, real, exact, real)


def _is_blank(nodes: Block) -> bool:
    return all(isinstance(node, Text) and not node.text.strip(SPACES) for node in nodes)


_CONTROLS: Final[Mapping[str, Callable[[_Parser, Token], Node]]] = {
    "if": _Parser._if,
    "with": _Parser._if,
    "range": _Parser._range,
    "template": _Parser._template,
    "block": _Parser._block,
    "break": _Parser._jump,
    "continue": _Parser._jump,
}
