"""Go's text/template with sprig's functions, as files and rules of the dialect use them (providers.md §1.7).

`Template.parse(text, name=..., functions=FILE_FUNCTIONS).render(data)`; TemplateError says what is wrong and where. Nothing
of Python is within a template's reach: it sees the values of `values` and the functions it is given, within `limits`.
"""

from pointsman.dialect.gotemplate.errors import TemplateError
from pointsman.dialect.gotemplate.functions import FILE_FUNCTIONS, RULE_FUNCTIONS
from pointsman.dialect.gotemplate.template import Template
from pointsman.dialect.gotemplate.values import Record, StringMap

__all__ = ["FILE_FUNCTIONS", "RULE_FUNCTIONS", "Record", "StringMap", "Template", "TemplateError"]
