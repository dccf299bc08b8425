"""The access log as the user writes it: text with the names of fields in braces (new)."""

from collections.abc import Callable
from string import Formatter
from typing import Any, ClassVar

from attrs import frozen

from pointsman.api import LogFields
from pointsman.builtin.logescapes import reader
from pointsman.errors import ConfigError, Problem
from pointsman.values import option


@frozen
class TemplateConfig:
    template: str = option(help="A line, such as '{ClientHost} {RequestMethod} {RequestPath} {DownstreamStatus}'")


class Template:
    """`{Name}` stands for a field; `{{` and `}}` for braces."""

    name: ClassVar[str] = "template"
    Config: ClassVar[type] = TemplateConfig

    def __init__(self, config: TemplateConfig, context: Any) -> None:
        self._text = config.template
        try:
            self._parts = list(Formatter().parse(config.template))
        except ValueError as error:
            raise ConfigError(Problem("template", f"cannot be read: {error}")) from None
        if any(form or conversion or name == "" for _, name, form, conversion in self._parts):
            raise ConfigError(Problem("template", "braces hold the name of a field and nothing else; write {{ for a brace"))
        if not config.template.isprintable():
            raise ConfigError(Problem("template", "a template is one line, without control characters"))

    def over(self, fields: LogFields) -> Callable[[Any], str]:
        """ConfigError for names that are no fields, or that `fields` drops."""
        reads, problems = [], []
        for _, name, _, _ in self._parts:
            if name is None:
                continue
            try:
                field = fields.get(name)
            except KeyError:
                problems.append(Problem("template", f"'{name}' is not a field; headers are written as request_User-Agent"))
                continue
            if field is None:
                problems.append(Problem("template", f"'{name}' is dropped; keep it in accessLog.fields, or leave it out"))
            reads.append(reader(field))
        if problems:
            raise ConfigError(problems)
        template = "".join(
            literal.replace("%", "%%") + ("%s" if name is not None else "") for literal, name, _, _ in self._parts
        )
        return lambda record: template % tuple([read(record) for read in reads])
