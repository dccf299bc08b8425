"""TCP middlewares: an instance for each place, a router and a position in its list (middlewares.md §1.2, §6)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define

from pointsman.compile.middlewares import Place, Use
from pointsman.compile.parts import TCP_MIDDLEWARES, Context, Surroundings, Tree, problems_in, qualify
from pointsman.config.middlewares import structure_middleware
from pointsman.errors import ConfigError, Problem


@define
class TcpMiddlewares:
    """The TCP middlewares of one compilation."""

    tree: Tree
    around: Surroundings
    old: Mapping[Place, Use]
    failed: Mapping[Place, str]
    """Places whose instance could not be started, and why."""
    built: dict[Place, Use]

    def uses(self, references: Sequence[str], owner: str, place: Place) -> list[Use]:
        """Those middlewares, in order, as `owner` names them. ConfigError, with every problem, if one cannot be had."""
        uses: list[Use] = []
        problems: list[Problem] = []
        for at, reference in enumerate(references):
            name = qualify(reference, owner)
            try:
                uses.append(self._use(name, (*place, str(at), name)))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return uses

    def _use(self, name: str, place: Place) -> Use:
        raw = self.tree.get(TCP_MIDDLEWARES, {}).get(name)
        if raw is None:
            raise ConfigError(Problem("", f'middleware "{name}" does not exist', missing=name))
        path = f"{TCP_MIDDLEWARES}.{name}"
        if place in self.failed:
            raise ConfigError(Problem(path, self.failed[place]))
        old = self.old.get(place)
        use = old if old is not None and old.raw is raw else self._build(name, raw, path, place)
        self.built[place] = use
        return use

    def _build(self, name: str, raw: Any, path: str, place: Place) -> Use:
        kinds = self.around.registry.tcp_middlewares
        kind, config, problems = structure_middleware(raw, path, kinds, "tcp_middlewares")
        if config is None:
            raise ConfigError(problems)
        shared = partial(self.around.shared_state, (TCP_MIDDLEWARES, *place), raw)
        counting = self.around.counting(name, place)
        context = Context(name, self.around.deadlines, _no_http, _no_http, shared, _no_http, counting)
        try:
            instance = kinds[kind](config, context)
        except (ConfigError, ValueError) as error:
            raise ConfigError(problems_in(f"{path}.{kind}", error)) from error
        except Exception as error:  # a plugin's constructor may do anything; its routers stay closed
            message = f"the plugin '{kind}' failed: {type(error).__name__}: {error}"
            raise ConfigError(Problem(f"{path}.{kind}", message)) from error
        finally:
            context.seal()
        return Use(name, raw, instance, (), remarks=context.remarks)


def _no_http(*arguments: Any) -> Any:
    raise ConfigError("a TCP middleware has no services, servers and other middlewares to ask for")
