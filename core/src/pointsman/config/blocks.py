"""One attrs class as one hook: keys to fields, each with its own hook, validators last (routing.md §0)."""

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

import attrs

from pointsman.config.mistakes import ABSENT, BadValue, Hook, Mistakes, noted
from pointsman.config.scalars import kind_of
from pointsman.config.spelling import spelled, unknown_key
from pointsman.errors import ConfigError
from pointsman.values import FileOrContent, Secret

HookFor = Callable[[Any], Hook]


@attrs.frozen
class Field:
    """A field of a class, ready to structure."""

    attribute: Any
    spelled: str
    hook: Hook


def fields_of(cls: type) -> list[Any]:
    """The attrs attributes that users write, with their annotations resolved."""
    attrs.resolve_types(cls)
    return [attribute for attribute in attrs.fields(cls) if attribute.init]


def inner_class(annotation: Any) -> type | None:
    """The attrs class behind `X` or `X | None`, None if it is something else."""
    for candidate in (annotation, *(get_args(annotation) if get_origin(annotation) not in (list, dict, tuple) else ())):
        if isinstance(candidate, type) and attrs.has(candidate):
            return candidate
    return None


def block_hook(cls: type, hook_for: HookFor) -> Hook:
    """The hook of an attrs class. Its fields are looked at when it is first used, so classes may name themselves."""
    known: dict[str, Field] = {}
    required: list[Field] = []

    def prepare() -> None:
        for attribute in fields_of(cls):
            field = Field(attribute, spelled(attribute), _field_hook(attribute, hook_for))
            known[field.spelled.lower()] = field
            if attribute.default is attrs.NOTHING:
                required.append(field)
        known.update({field.spelled: field for field in list(known.values())})

    def block(raw: Any, _: Any) -> Any:
        if not known:
            prepare()
        if not isinstance(raw, Mapping):
            raise ValueError(f"expected a block of options, got {kind_of(raw)}")
        values: dict[str, Any] = {}
        seen: dict[str, str] = {}
        mistakes: Mistakes | None = None
        for key, value in raw.items():
            field = known.get(key) or known.get(str(key).lower())
            if field is None:
                mistakes = noted(mistakes, "", unknown_key(str(key), [each.spelled for each in known.values()]))
                continue
            if value is None:
                continue
            name = field.attribute.alias
            if name in seen:
                mistakes = noted(mistakes, field.spelled, f"is given twice, as '{seen[name]}' and as '{key}'")
                continue
            seen[name] = key
            try:
                structured = field.hook(value, None)
            except (Mistakes, ValueError) as error:
                mistakes = noted(mistakes, field.spelled, error)
            else:
                if structured is not ABSENT:
                    values[name] = structured
        for field in required:
            if field.attribute.alias not in seen:
                mistakes = noted(mistakes, field.spelled, BadValue("is required"))
        return _build(cls, known, values, mistakes)

    return block


def _field_hook(attribute: Any, hook_for: HookFor) -> Hook:
    hook = hook_for(attribute.type)
    is_block = inner_class(attribute.type) is not None
    if not is_block and get_origin(attribute.type) is not dict:
        return hook
    name, allow_empty = spelled(attribute), bool(attribute.metadata.get("allow_empty"))

    def nested(raw: Any, _: Any) -> Any:
        if isinstance(raw, Mapping):
            if not raw and not allow_empty:
                raise ValueError(f"{name} cannot be a standalone element; give it at least one option, or leave it out")
        elif allow_empty and not isinstance(raw, list | tuple):
            return hook({}, None) if is_on(raw) else ABSENT
        return hook(raw, None)

    return nested


def is_on(raw: Any) -> bool:
    """A block that may be empty, written as a scalar: true means `{}`, anything else leaves it off (operations.md §1.2)."""
    return raw is True or (isinstance(raw, str) and raw.strip().lower() in ("true", ""))


def _build(cls: type, known: Mapping[str, Field], values: dict[str, Any], mistakes: Mistakes | None) -> Any:
    if mistakes is None:
        try:
            return cls(**values)
        except Exception as error:  # validators and converters belong to plugins and may raise anything
            mistakes = Mistakes()
            _explain(known, values, mistakes, error)
    else:
        _explain(known, values, mistakes, None)
    raise mistakes


def _explain(known: Mapping[str, Field], values: dict[str, Any], mistakes: Mistakes, error: Exception | None) -> None:
    """Run each validator by itself, so that all of them speak; what none explains is told as it came."""
    before = len(mistakes.problems)
    for field in {id(field): field for field in known.values()}.values():
        attribute = field.attribute
        if attribute.validator is None or attribute.alias not in values:
            continue
        try:
            attribute.validator(None, attribute, values[attribute.alias])
        except ValueError as refusal:
            mistakes.add(field.spelled, BadValue(_said(refusal, field, values[attribute.alias])))
        except Exception:  # a validator that looks at other fields; construction told what it says, if it could
            continue
    if error is None or len(mistakes.problems) > before:
        return
    if isinstance(error, ConfigError):
        for problem in error.problems:
            mistakes.add(problem.path, BadValue(problem.message))
        return
    text = str(error.args[0]) if error.args else type(error).__name__
    for field in known.values():
        text = _said(text, field, values.get(field.attribute.alias))
    mistakes.add("", BadValue(text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"))


def _said(refusal: object, field: Field, value: Any) -> str:
    """A validator's words, in the dialect's spelling and without secrets."""
    if isinstance(refusal, Exception):
        refusal = refusal.args[0] if refusal.args else type(refusal).__name__
    text = str(refusal).replace(f"'{field.attribute.name}'", f"'{field.spelled}'")
    if not _secret(field.attribute.type) or not value:
        return text
    texts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    for secret in map(str, texts):
        if secret:
            text = text.replace(secret, "REDACTED").replace(repr(secret)[1:-1], "REDACTED")
    return text


def _secret(annotation: Any) -> bool:
    return annotation in (Secret, FileOrContent) or any(map(_secret, get_args(annotation)))
