"""All instances that a provider knows, as one document."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from pointsman.api import ProviderContext
from pointsman.config.convert import structure
from pointsman.config.scalars import to_bool
from pointsman.dialect.instances.constraints import compile_constraints
from pointsman.dialect.instances.defaultrule import DefaultRule
from pointsman.dialect.instances.instance import Address, Instance
from pointsman.dialect.instances.merging import merged
from pointsman.dialect.instances.parts import Part, part_of
from pointsman.errors import ConfigError, Problem

T = TypeVar("T")
_Answer = tuple[str, int] | str
"""What an address was, or why there was none."""


@frozen(eq=False)
class _Read:
    """An instance as it was read, and what came of it."""

    instance: Instance
    asked: Mapping[int | None, _Answer] = field(factory=dict)
    part: Part = field(factory=Part)

    def holds_for(self, instance: Instance) -> bool:
        """Whether this one would come to the same."""
        was = self.instance
        return (
            (was.labels, was.name, was.fields, was.tags, was.empty, was.transport)
            == (instance.labels, instance.name, instance.fields, instance.tags, instance.empty, instance.transport)
        ) and all(_answer(instance.address, port) == answer for port, answer in self.asked.items())


class Instances:
    """Made once by a provider.

    `document` may be called in any thread, by one at a time: ten thousand new instances take a second or two.
    """

    def __init__(
        self,
        context: ProviderContext,
        *,
        kind: str,
        exposed_by_default: bool,
        default_rule: str,
        constraints: str,
        by_tags: bool = False,
    ) -> None:
        """`kind` is the provider's key in the configuration. With `by_tags` constraints judge tags, not labels.

        ConfigError for a default rule or constraints that cannot be used; "" is the dialect's own rule, and no constraint.
        """
        self._context = context
        self._kind = kind
        self._exposed_by_default = exposed_by_default
        self._by_tags = by_tags
        self._rule = DefaultRule.parse(default_rule, name=f"providers.{kind}.defaultRule")
        try:
            self._wanted = compile_constraints(constraints, by_tags=by_tags)
        except ValueError as error:
            raise ConfigError(Problem(f"providers.{kind}.constraints", str(error))) from None
        self._read: dict[str, _Read] = {}

    def exposed(self, labels: Mapping[str, str], tags: Sequence[str] | None = None) -> bool:
        """Whether an instance counts. One whose `traefik.enable` makes no sense does: `document` tells of it."""
        try:
            return self._counts(labels, tags)
        except ValueError:
            return True

    def own(self, labels: Mapping[str, str], cls: type[T], *, section: str = "") -> T:
        """The provider's own options among the labels, `traefik.docker.network`, as the frozen attrs class `cls`.

        `section` takes the place of the provider's key. ConfigError for an unknown option or a wrong value.
        """
        prefix = f"traefik.{section or self._kind}.".lower()
        raw = {label[len(prefix) :]: value for label, value in labels.items() if label.lower().startswith(prefix)}
        value, problems = structure(cls, raw, prefix[:-1])
        if value is None:
            raise ConfigError(problems)
        return value

    def document(
        self, instances: Sequence[Instance], problems: Sequence[Problem] = ()
    ) -> tuple[dict[str, Any], list[Problem]]:
        """All that they say, and what is wrong, after the problems that are given. Who cannot be used is left out.

        What an instance said is remembered until it is not among them any more, or is not the same.
        """
        known, self._read = self._read, {}
        for instance in sorted(instances, key=lambda instance: instance.key):
            before = known.get(instance.key)
            self._read[instance.key] = before if before and before.holds_for(instance) else self._look(instance)
        document, conflicts = merged((key, read.part) for key, read in self._read.items())
        return document, [*problems, *(each for read in self._read.values() for each in read.part.problems), *conflicts]

    def _look(self, instance: Instance) -> _Read:
        asked: dict[int | None, _Answer] = {}

        def address(port: int | None) -> tuple[str, int]:
            answer = asked[port] = _answer(instance.address, port)
            if isinstance(answer, str):
                raise ValueError(answer)
            return answer

        part = self._part(instance, address)
        for note in part.notes:
            self._context.logger.info("%s", note)
        return _Read(evolve(instance, labels=dict(instance.labels), fields=dict(instance.fields)), asked, part)

    def _part(self, instance: Instance, address: Address) -> Part:
        try:
            if not self._counts(instance.labels, instance.tags):
                return Part()
        except ValueError as error:
            return Part(problems=(Problem(f"{instance.key}: traefik.enable", f"{error}; it is left out"),))
        try:
            document, warnings = self._context.from_labels(instance.labels)
        except ConfigError as error:
            return Part(problems=_within(instance, error.problems))
        part = part_of(instance, document, self._rule, address)
        refused = [problem for problem in self._context.check(part.document) if not problem.warning]
        if refused:  # or else the documents of all would be
            return Part(problems=_within(instance, refused))
        return evolve(part, problems=(*_within(instance, warnings), *part.problems))

    def _counts(self, labels: Mapping[str, str], tags: Sequence[str] | None) -> bool:
        """ValueError if `traefik.enable` is neither true nor false."""
        if not self._wanted((tags or ()) if self._by_tags else labels):
            return False
        for label, value in labels.items():
            if label.lower() == "traefik.enable":
                return to_bool(value.lower())
        return self._exposed_by_default


def _answer(address: Address, port: int | None) -> _Answer:
    try:
        return address(port)
    except ValueError as error:
        return str(error)


def _within(instance: Instance, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(evolve(each, path=f"{instance.key}: {each.path}" if each.path else instance.key) for each in problems)
