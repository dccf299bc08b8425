"""Sprig's functions of defaults and of types (sprig 3.2: defaults.go, reflect.go)."""

from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.values import identity, kind_name, truth, type_name

DEFAULTS: Final = Group()

DEFAULTS("empty", "any")(lambda value: not truth(value))
DEFAULTS("coalesce", "...any")(lambda *values: next(filter(truth, values), None))
DEFAULTS("all", "...any")(lambda *values: all(map(truth, values)))
DEFAULTS("any", "...any")(lambda *values: any(map(truth, values)))
DEFAULTS("ternary", "any", "any", "bool")(lambda yes, no, condition: yes if condition else no)
DEFAULTS("typeOf", "any")(type_name)
DEFAULTS("kindOf", "any")(kind_name)
DEFAULTS("typeIs", "string", "any")(lambda name, value: type_name(value) == name)
DEFAULTS("typeIsLike", "string", "any")(lambda name, value: type_name(value) in (name, f"*{name}"))
DEFAULTS("kindIs", "string", "any")(lambda name, value: kind_name(value) == name)
DEFAULTS("deepEqual", "any", "any")(lambda first, other: identity(first) == identity(other))
DEFAULTS("hello")(lambda: "Hello!")


@DEFAULTS("default", "any", "...any")
def default(otherwise: Any, *given: Any) -> Any:
    return given[0] if given and truth(given[0]) else otherwise


@DEFAULTS("fail", "string")
def fail(message: str) -> str:
    raise Wrong(message)
