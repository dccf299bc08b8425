"""Middlewares to binders. An instance belongs to one place: a router and a position in its list (middlewares.md §1.2)."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, frozen

from pointsman.api import Binder
from pointsman.compile.parts import DEEPEST, MIDDLEWARES, Context, Surroundings, Tree, problems_in, qualify
from pointsman.compile.servers import ServerEntry, Servers
from pointsman.compile.services import Services
from pointsman.config.middlewares import structure_middleware
from pointsman.errors import ConfigError, Problem
from pointsman.observe.steps import attempts, step
from pointsman.routing.chain import bind, chain

MOST_TOGETHER: Final = 256
"""How many middlewares may be in one."""
Place = tuple[str, ...]
"""Whose middleware it is: the router, its position there, and the names on the way to it through chains."""


@frozen(eq=False)
class Use:
    """One instance of a middleware in one place."""

    name: str
    raw: Any
    instance: Any
    needs: tuple[Any, ...]
    detailed: bool = False
    """Whether middlewares inside it are steps of traces."""
    remarks: tuple[str, ...] = ()
    """What it said of its options."""


@define
class Middlewares:
    """The middlewares of one compilation. ConfigError for one that cannot be built."""

    tree: Tree
    around: Surroundings
    services: Services
    servers: Servers
    old: Mapping[Place, Use]
    failed: Mapping[Place, str]
    """Places whose instance could not be started, and why."""
    built: dict[Place, Use]
    parsed: dict[str, tuple[Any, str, Any]]
    path: list[str]
    count: int = 0
    """How many have been asked for since the outermost one."""

    @classmethod
    def begin(
        cls,
        tree: Tree,
        around: Surroundings,
        services: Services,
        servers: Servers,
        old: Mapping[Place, Use],
        failed: Mapping[Place, str],
    ) -> "Middlewares":
        return cls(tree, around, services, servers, old, failed, {}, {}, [])

    def binder(
        self, references: Sequence[str], owner: str, place: Place, *, detailed: bool = False
    ) -> tuple[Binder, list[Use]]:
        """Those middlewares, in order, as `owner` names them, for one place; with `detailed` each a step of traces."""
        uses: list[Use] = []
        problems: list[Problem] = []
        for at, name in enumerate(references):
            try:
                uses.append(self._use(qualify(name, owner), (*place, str(at)), detailed))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        if detailed:
            return chain([as_step(use.name, use.instance) for use in uses]), uses
        return chain([bind(use.instance) for use in uses]), uses

    def _use(self, name: str, place: Place, detailed: bool) -> Use:
        path = f"{MIDDLEWARES}.{name}"
        raw = self.tree.get(MIDDLEWARES, {}).get(name)
        if raw is None:
            raise ConfigError(Problem("", f'middleware "{name}" does not exist', missing=name))
        if name in self.path:
            steps = "->".join(f"middleware:{part}" for part in [*self.path[self.path.index(name) :], name])
            message = f"could not instantiate middleware {name}: recursion detected in {steps}"
            raise ConfigError(Problem(path, message))
        self.count = self.count + 1 if self.path else 1
        if len(self.path) >= DEEPEST or self.count > MOST_TOGETHER:
            message = f"is one of more than {MOST_TOGETHER} middlewares in one, or is more than {DEEPEST} deep"
            raise ConfigError(Problem(path, message))
        place = (*place, name)
        if place in self.failed:
            raise ConfigError(Problem(path, self.failed[place]))
        old = self.old.get(place)
        self.path.append(name)
        try:
            same = old is not None and old.raw is raw and self._still(old, detailed)
            use = old if old is not None and same else self._build(name, raw, path, place, detailed)
        finally:
            self.path.pop()
        self.built[place] = use
        return use

    def _still(self, use: Use, detailed: bool) -> bool:
        """Whether everything an instance asked for is as it was. One that has middlewares inside is built anew."""
        inside = [need for need in use.needs if isinstance(need, Use)]
        if use.needs and use.detailed is not detailed:
            return False
        before_services: list[Use] = []
        for need in use.needs:
            if isinstance(need, ServerEntry):
                self.servers.keep(need)
            elif not isinstance(need, Use):
                if self.services.get(need.name, use.name) is not need:
                    return False
                before_services += self.services.front(need)[1]
        return set(map(id, inside)) == set(map(id, before_services))

    def _build(self, name: str, raw: Any, path: str, place: Place, detailed: bool) -> Use:
        kind, config = self._config(name, raw, path)
        context = Context(
            name,
            self.around.deadlines,
            self.services.child,
            lambda references, owner: self.binder(references, owner, place, detailed=detailed),
            lambda: self.around.shared_state((MIDDLEWARES, *place), raw),
            self.servers.get,
            self.around.counting(name, place),
        )
        try:
            instance = self.around.registry.middlewares[kind](config, context)
        except (ConfigError, ValueError) as error:
            raise ConfigError(problems_in(f"{path}.{kind}", error)) from error
        except Exception as error:  # a plugin's constructor may do anything; its routers stay closed
            message = f"the plugin '{kind}' failed: {type(error).__name__}: {error}"
            raise ConfigError(Problem(f"{path}.{kind}", message)) from error
        finally:
            context.seal()
        return Use(name, raw, instance, tuple(context.needs), detailed, context.remarks)

    def _config(self, name: str, raw: Any, path: str) -> tuple[str, Any]:
        """Kind and Config, read once however many routers use it."""
        known = self.parsed.get(name)
        if known is None:
            kind, config, problems = structure_middleware(raw, path, self.around.registry.middlewares)
            if config is None:
                raise ConfigError(problems or [Problem(path, "invalid middleware type or middleware does not exist")])
            known = self.parsed[name] = (raw, kind, config)
        return known[1], known[2]


def as_step(name: str, instance: Any) -> Binder:
    """The binder of a middleware that traces show at detailed verbosity (middlewares.md §1.4)."""
    binder = bind(instance)
    called = getattr(instance, "span_name", f"{instance.name[:1].upper()}{instance.name[1:]}")
    attributes = (("traefik.middleware.name", name),)
    if not called:
        return binder
    if getattr(instance, "span_per_attempt", False):
        return attempts(binder, called, attributes)
    return lambda call_next: step(binder(call_next), called, attributes)


def has_start(instance: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(instance, "start", None))
