"""What a template is made of, after parsing. `offset` is where a node begins in the text."""

from typing import Any

from attrs import frozen


@frozen
class Dot:
    offset: int


@frozen
class Nil:
    offset: int


@frozen
class Literal:
    """A string or bool."""

    offset: int
    value: Any


@frozen
class Number:
    """`value` as it is without context; `integer` and `real` where a function wants one of those."""

    offset: int
    text: str
    value: int | float
    integer: int | None
    real: float


@frozen
class Field:
    """`.A.B`."""

    offset: int
    names: tuple[str, ...]


@frozen
class Variable:
    """`$x.A.B`; its name has the dollar."""

    offset: int
    name: str
    fields: tuple[str, ...] = ()


@frozen
class Word:
    """The name of a function."""

    offset: int
    name: str


@frozen
class Chain:
    """`(pipeline).A.B`."""

    offset: int
    node: "Pipe"
    names: tuple[str, ...]


@frozen
class Command:
    offset: int
    words: tuple["Operand", ...]


@frozen
class Pipe:
    offset: int
    commands: tuple[Command, ...]
    declared: tuple[str, ...] = ()
    assigns: bool = False


Operand = Dot | Nil | Literal | Number | Field | Variable | Word | Chain | Pipe


@frozen
class Text:
    offset: int
    text: str


@frozen
class Action:
    offset: int
    pipe: Pipe


@frozen
class If:
    """`with` and `if`."""

    offset: int
    pipe: Pipe
    then: "Block"
    otherwise: "Block"
    rebinds: bool


@frozen
class Range:
    offset: int
    pipe: Pipe
    body: "Block"
    otherwise: "Block"


@frozen
class Call:
    """`template`, and where a `block` stands."""

    offset: int
    name: str
    pipe: Pipe | None


@frozen
class Break:
    offset: int


@frozen
class Continue:
    offset: int


Node = Text | Action | If | Range | Call | Break | Continue
Block = tuple[Node, ...]
