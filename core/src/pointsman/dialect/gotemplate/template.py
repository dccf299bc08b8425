"""A template: parsed once, rendered as often as one likes."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from pointsman.dialect.gotemplate.errors import at
from pointsman.dialect.gotemplate.interpreter import Run
from pointsman.dialect.gotemplate.library import Library
from pointsman.dialect.gotemplate.limits import MAX_TEXT
from pointsman.dialect.gotemplate.nodes import Block
from pointsman.dialect.gotemplate.parser import parse

MAX_SOURCE: Final = MAX_TEXT


@frozen
class Template:
    """A text with actions between `{{` and `}}`, and the functions that they may use."""

    name: str
    text: str = field(repr=False)
    functions: Library = field(repr=False)
    _blocks: Mapping[str, Block] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, name: str, functions: Library) -> "Template":
        """`name` is what errors call it. TemplateError if it is wrong."""
        if len(text) > MAX_SOURCE:
            raise at(name, text, 0, f"a template may have {MAX_SOURCE >> 20} Mi characters; split it")
        return cls(name, text, functions, parse(name, text, functions))

    def render(self, data: Any) -> str:
        """The text for this data: plain values, or those of `values`. TemplateError if that fails, or exceeds the limits.

        Takes as long as the template asks for, to a limit of seconds; look-ups of names wait for the network.
        """
        return Run(self.name, self.text, self._blocks, self.functions).render(data)
