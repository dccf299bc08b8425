"""What is wrong with a template, and where."""

from pointsman.errors import ConfigError, Problem


class TemplateError(ConfigError):
    """The one error of this package. `line` and `column` begin at 1; the column counts characters."""

    def __init__(self, name: str, line: int, column: int, message: str) -> None:
        super().__init__(Problem(f"{name}:{line}:{column}", message))
        self.name = name
        self.line = line
        self.column = column
        self.message = message


class Wrong(Exception):
    """A function cannot do what it is asked for. Who called it knows the place."""


def at(name: str, text: str, offset: int, message: str) -> TemplateError:
    """The error for this offset in a text."""
    offset = min(offset, len(text))
    return TemplateError(name, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset), message)
