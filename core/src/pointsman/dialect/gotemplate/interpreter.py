"""Nodes and data to text, as Go's text/template executes them (Go 1.26), within limits."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import TemplateError, Wrong, at
from pointsman.dialect.gotemplate.library import Function, Library, checked
from pointsman.dialect.gotemplate.limits import MAX_TEXT, MAX_WALK_DEPTH, Meter
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
    Number,
    Operand,
    Pipe,
    Range,
    Text,
    Variable,
    Word,
)
from pointsman.dialect.gotemplate.printing import plain, shown
from pointsman.dialect.gotemplate.values import Record, as_bytes, truth, type_name, whole

Jump = type[Break] | type[Continue] | None
_NOTHING: Final = object()
"""That nothing came through a pipe, as opposed to nil."""


class Run:
    """One rendering."""

    def __init__(self, name: str, text: str, blocks: Mapping[str, Block], functions: Library) -> None:
        self._name = name
        self._text = text
        self._blocks = blocks
        self._functions = functions
        self._meter = Meter()
        self._output: list[str] = []
        self._size = 0
        self._variables: list[tuple[str, Any]] = []
        self._depth = 0

    def render(self, data: Any) -> str:
        self._variables = [("$", data)]
        self._walk(self._blocks[""], data)
        return whole("".join(self._output))

    def _wrong(self, offset: int, message: str) -> TemplateError:
        return at(self._name, self._text, offset, message)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise Wrong(f"the template's text grows beyond {MAX_TEXT >> 20} Mi characters; loop over less")
        self._output.append(text)

    def _walk(self, nodes: Block, dot: Any) -> Jump:
        self._depth += 1
        jump: Jump = None
        for node in nodes:
            try:
                if self._depth > MAX_WALK_DEPTH:
                    raise Wrong(
                        f"more than {MAX_WALK_DEPTH} blocks run inside each other; a template that uses itself must end"
                    )
                self._meter.step()
                match node:
                    case Text():
                        self._write(node.text)
                    case Action():
                        value = self._pipe(node.pipe, dot)
                        if not node.pipe.declared:
                            self._meter.weigh(value)
                            self._write(shown(value))
                    case If():
                        jump = self._if(node, dot)
                    case Range():
                        jump = self._range(node, dot)
                    case Call():
                        self._template(node, dot)
                    case Break():
                        jump = Break
                    case Continue():
                        jump = Continue
            except Wrong as error:
                raise self._wrong(node.offset, str(error)) from None
            except RecursionError:
                raise self._wrong(node.offset, "the template is nested too deeply; one that uses itself must end") from None
            if jump is not None:
                break
        self._depth -= 1
        return jump

    def _if(self, node: If, dot: Any) -> Jump:
        mark = len(self._variables)
        branch: Block = (node,)
        while len(branch) == 1 and isinstance(link := branch[0], If) and link.rebinds == node.rebinds:
            value = self._pipe(link.pipe, dot)
            if truth(value):
                branch, dot = link.then, value if link.rebinds else dot
                break
            branch = link.otherwise
        jump = self._walk(branch, dot)
        del self._variables[mark:]
        return jump

    def _range(self, node: Range, dot: Any) -> Jump:
        mark = len(self._variables)
        pipe = node.pipe
        value = self._pipe(pipe, dot)
        self._meter.weigh(value)
        top = len(self._variables)
        empty = True
        for index, each in _pairs(value, len(pipe.declared)):
            empty = False
            self._meter.step()
            self._place(pipe, mark, index, each)
            jump = self._walk(node.body, each)
            del self._variables[top:]
            if jump is Break:
                break
        jump = self._walk(node.otherwise, dot) if empty else None
        del self._variables[mark:]
        return jump

    def _place(self, pipe: Pipe, mark: int, index: Any, each: Any) -> None:
        """The variables of a range for one iteration: `$each`, or `$index, $each`."""
        values = (index, each) if len(pipe.declared) == 2 else (each,)
        for place, (name, value) in enumerate(zip(pipe.declared, values, strict=False)):
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables[mark + place] = name, value

    def _template(self, node: Call, dot: Any) -> None:
        nodes = self._blocks.get(node.name)
        if nodes is None or not node.name:
            known = ", ".join(sorted(repr(name) for name in self._blocks if name)) or "none"
            raise Wrong(f"the template {node.name!r} is not defined; there are: {known}")
        data = None if node.pipe is None else self._pipe(node.pipe, dot)
        variables, self._variables = self._variables, [("$", data)]
        self._walk(nodes, data)
        self._variables = variables

    def _assign(self, name: str, value: Any) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = name, value
                return

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        for name in pipe.declared:
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _command(self, command: Command, dot: Any, final: Any) -> Any:
        first = command.words[0]
        if isinstance(first, Word):
            return self._call(first, command.words[1:], dot, final)
        if isinstance(first, Nil):
            raise self._wrong(first.offset, "nil is not a command; compare with it, or leave it out")
        if len(command.words) > 1 or final is not _NOTHING:
            raise self._wrong(first.offset, "arguments are given to what is no function")
        return self._value(first, dot)

    def _value(self, node: Operand, dot: Any) -> Any:
        match node:
            case Dot():
                return dot
            case Literal() | Number():
                return node.value
            case Field():
                return self._fields(dot, node.names, node.offset)
            case Variable():
                value = next(value for name, value in reversed(self._variables) if name == node.name)
                return self._fields(value, node.fields, node.offset)
            case Chain():
                return self._fields(self._pipe(node.node, dot), node.names, node.offset)
            case Pipe():
                return self._pipe(node, dot)
            case Word():
                return self._call(node, (), dot, _NOTHING)
        return None

    def _fields(self, value: Any, names: Iterable[str], offset: int) -> Any:
        """What is behind `.A.B`: None where a map has no such key, and for fields of nil."""
        for name in names:
            if isinstance(value, Record):
                if name not in value.fields:
                    known = ", ".join(f".{each}" for each in value.fields)
                    raise self._wrong(offset, f"there is no field .{name} here; there are {known}")
                value = value.fields[name]
            elif isinstance(value, dict):
                value = value.get(name)
            elif value is not None:
                raise self._wrong(offset, f"can't evaluate field {name} in type {type_name(value)}; only dicts have fields")
        return value

    def _call(self, word: Word, arguments: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        function = self._functions[word.name]
        try:
            self._meter.step()
            function.expect(len(arguments) + (final is not _NOTHING))
            if word.name in ("and", "or"):
                return self._shortest(word.name == "or", arguments, dot, final)
            given = [self._argument(function, place, node, dot) for place, node in enumerate(arguments)]
            if final is not _NOTHING:
                given.append(checked(final, function.kind(len(given))))
            for value in given:
                self._meter.weigh(value)
            result = function.call(*given)
            self._meter.weigh(result)
        except (TemplateError, RecursionError):
            raise
        except Wrong as error:
            raise self._wrong(word.offset, f"{word.name}: {error}") from None
        except Exception as error:  # as Go, for which a panic in a function is the template's error
            raise self._wrong(word.offset, f"{word.name}: it cannot work on these arguments ({error})") from None
        return result

    def _argument(self, function: Function, place: int, node: Operand, dot: Any) -> Any:
        kind = function.kind(place)
        try:
            if isinstance(node, Number) and kind in ("int", "float"):
                value = node.integer if kind == "int" else node.real
                if value is None:
                    raise Wrong(f"expected int, got {node.text}")
                return value
            return checked(self._value(node, dot), kind)
        except Wrong as error:
            raise self._wrong(node.offset, f"argument {place + 1} of {function.name}: {error}") from None

    def _shortest(self, wanted: bool, arguments: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        """`or` and `and`: the first value that decides, or the last one; what follows it is not evaluated."""
        value = None
        for node in arguments:
            value = self._value(node, dot)
            if truth(value) == wanted:
                return value
        return value if final is _NOTHING else final


def _pairs(value: Any, variables: int) -> Iterable[tuple[Any, Any]]:
    """What a range goes through. Wrong if it cannot."""
    if value is None:
        return ()
    if isinstance(value, list):
        return enumerate(value)
    if isinstance(value, dict):
        return sorted(value.items(), key=lambda item: as_bytes(item[0]))
    if isinstance(value, int) and not isinstance(value, bool):
        if variables > 1:
            raise Wrong("a range over a number has one variable only")
        kind = type(value)
        return ((kind(number), kind(number)) for number in range(value))
    raise Wrong(
        f"range can't iterate over {plain(value)[:50]} of type {type_name(value)}; give it a list, a dict or a number"
    )
