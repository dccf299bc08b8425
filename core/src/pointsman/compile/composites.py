"""Services over services to handlers (routing.md §5.2, §5.6-5.8): weighted, highestRandomWeight, mirroring, failover."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from pointsman.api import Balancer, Handler, Pick
from pointsman.compile.parts import problems_under
from pointsman.config.http_model import Failover, HighestRandomWeight, Mirroring, Service, Weighted, WeightedChild
from pointsman.dialect.grpc import refusal
from pointsman.dialect.statuses import statuses
from pointsman.edits import HeaderEdit
from pointsman.errors import ConfigError, Problem
from pointsman.message import Request, Response
from pointsman.rendezvous import rendezvous
from pointsman.spelling import HOP_BY_HOP
from pointsman.upstream import composite, composite_failover, composite_mirror
from pointsman.upstream.status import AnyHealth, Health
from pointsman.upstream.sticky import Sticky

_NOT_TO_SET: Final = HOP_BY_HOP | {b"host", b"content-length"}
"""How a message is sent, and to whom, is the gateway's own business."""


@frozen(eq=False)
class Child:
    """A service as its parent gets it: behind its own middlewares."""

    name: str
    kind: str
    handler: Handler
    health: Health | None
    needs: tuple[Any, ...]
    """What must not have changed for the parent to be carried over."""


@frozen(eq=False)
class Composite:
    """What a service over services is made of."""

    handler: Handler
    needs: tuple[Any, ...]
    health: Health | None = None
    warnings: tuple[Problem, ...] = ()


class Composites:
    """Builds the composites of one compilation. ConfigError, with every problem found, for one that cannot be."""

    def __init__(self, child: Callable[[str, str], Child], round_robin: type[Balancer]) -> None:
        self._find = child
        self._round_robin = round_robin

    def build(self, name: str, path: str, service: Service) -> Composite:
        """The one composite that `service` describes."""
        if service.weighted is not None:
            return self._weighted(name, f"{path}.weighted", service.weighted)
        if service.highest_random_weight is not None:
            return self._highest(name, f"{path}.highestRandomWeight", service.highest_random_weight)
        if service.mirroring is not None:
            return self._mirroring(name, f"{path}.mirroring", service.mirroring)
        assert service.failover is not None
        return self._failover(name, f"{path}.failover", service.failover)

    def _weighted(self, name: str, path: str, config: Weighted) -> Composite:
        found, children = self._children(name, path, config.services, config.health_check is not None)
        pick = self._round_robin(self._round_robin.Config(), None).over(children)
        cookie = config.sticky.cookie if config.sticky is not None else None
        if cookie is None:
            return _one_of(composite.OneOf(name, pick), found, children)
        sticky = Sticky(cookie, name, [(child.url, child) for child in children])
        return _one_of(composite.StickyOneOf(name, pick, sticky), found, children)

    def _highest(self, name: str, path: str, config: HighestRandomWeight) -> Composite:
        found, children = self._children(name, path, config.services, config.health_check is not None)
        pick: Pick = rendezvous(children)
        return _one_of(composite.OneOf(name, pick), found, children)

    def _children(
        self, name: str, path: str, configs: Sequence[WeightedChild], watched: bool
    ) -> tuple[list[Child], list[composite.Child]]:
        """Every child, and those with a weight as the balancer sees them."""
        found: list[Child] = []
        children: list[composite.Child] = []
        problems: list[Problem] = []
        for position, config in enumerate(configs):
            place = f"{path}.services[{position}]"
            try:
                child = self._child(name, f"{place}.name", config)
                health = _health_of(child, place) if watched else None
            except ConfigError as error:
                problems += error.problems
                continue
            found.append(child)
            if config.weight > 0:
                children.append(_seen(config, child, health))
        if problems:
            raise ConfigError(problems)
        return found, children

    def _child(self, owner: str, path: str, config: WeightedChild) -> Child:
        if config.status or config.grpc_status is not None:
            answer = _always(config.status) if config.status else _always_grpc(config.grpc_status or 0)
            return Child(config.name, "status", answer, _UP, ())
        child = self._named(owner, path, config.name)
        if not config.headers:
            return child
        edit = _edit(path.removesuffix(".name") + ".headers", config.headers)
        return evolve(child, handler=composite.labelled(child.handler, edit))

    def _named(self, owner: str, path: str, reference: str) -> Child:
        try:
            return self._find(reference, owner)
        except ConfigError as error:
            raise ConfigError(problems_under(path, error)) from None

    def _mirroring(self, name: str, path: str, config: Mirroring) -> Composite:
        problems: list[Problem] = []
        main = self._tried(problems, name, f"{path}.service", config.service)
        needs = list(main.needs) if main is not None else []
        mirrors: list[composite_mirror.Mirror] = []
        for position, mirror in enumerate(config.mirrors):
            place = f"{path}.mirrors[{position}]"
            child = self._tried(problems, name, f"{place}.name", mirror.name)
            if not 0 <= mirror.percent <= 100:
                problems.append(Problem(f"{place}.percent", f"{mirror.percent} is not in 0..100"))
            if child is not None:
                needs += child.needs
                mirrors.append(composite_mirror.Mirror(mirror.name, child.handler, mirror.percent))
        if problems or main is None:
            raise ConfigError(problems)
        handler = composite_mirror.Mirroring(
            name, main.handler, mirrors, mirror_body=config.mirror_body, max_body_size=config.max_body_size
        )
        if config.health_check is None:
            return Composite(handler, tuple(needs))
        warnings = () if main.health is not None else (Problem(path, _not_enabled(main), warning=True),)
        return Composite(handler, tuple(needs), main.health, warnings)

    def _failover(self, name: str, path: str, config: Failover) -> Composite:
        problems: list[Problem] = []
        main = self._tried(problems, name, f"{path}.service", config.service)
        fallback = self._tried(problems, name, f"{path}.fallback", config.fallback)
        errors = config.errors if config.errors is not None and config.errors.status else None
        replaced: frozenset[int] = frozenset()
        try:
            replaced = statuses(errors.status if errors is not None else ())
        except ValueError as error:
            problems.append(Problem(f"{path}.errors.status", str(error)))
        if main is not None and main.health is None and (errors is None or config.health_check is not None):
            problems.append(Problem(f"{path}.service", _not_enabled(main)))
        if fallback is not None and fallback.health is None and config.health_check is not None:
            problems.append(Problem(f"{path}.fallback", _not_enabled(fallback)))
        if problems or main is None or fallback is None:
            raise ConfigError(problems)
        needs = (*main.needs, *fallback.needs)
        fallback_health = fallback.health if config.health_check is not None else None
        both = (main.handler, fallback.handler, main.health, fallback_health)
        health = None
        if main.health is not None and fallback_health is not None:
            health = AnyHealth([main.health, fallback_health])
        if errors is None:
            return Composite(composite_failover.Failover(name, *both), needs, health)
        limit = errors.max_request_body_bytes
        return Composite(composite_failover.FailoverByStatus(name, *both, statuses=replaced, limit=limit), needs, health)

    def _tried(self, problems: list[Problem], owner: str, path: str, reference: str) -> Child | None:
        """A child, or None and its problems added."""
        try:
            return self._named(owner, path, reference)
        except ConfigError as error:
            problems += error.problems
            return None


class _AlwaysUp(Health):
    __slots__ = ()

    @property
    def up(self) -> bool:
        return True


_UP = _AlwaysUp()


def _always(status: int) -> Handler:
    """In place of a backend that cannot be: an orchestrator says what to answer."""

    def answer(request: Request) -> Response:
        return Response(status)

    return answer


def _always_grpc(status: int) -> Handler:
    """The same for gRPC."""

    def answer(request: Request) -> Response:
        return refusal(status)

    return answer


def _edit(path: str, headers: Mapping[str, str]) -> HeaderEdit:
    """Sets these. ConfigError for what is no header, or not for configurations to set."""
    lines = {name.lower().encode(): value.encode() for name, value in headers.items()}
    ill = [name.decode() for name in sorted(lines.keys() & _NOT_TO_SET)]
    if ill:
        raise ConfigError(Problem(path, f"'{ill[0]}' cannot be set: it says how a message is sent"))
    try:
        return HeaderEdit(lines, list(lines.items()))
    except ValueError as error:
        raise ConfigError(Problem(path, str(error))) from None


def _seen(config: WeightedChild, child: Child, health: Health | None) -> composite.Child:
    if health is None:
        return composite.Child(config.name, child.handler, config.weight)
    return composite.WatchedChild(config.name, child.handler, health, config.weight)


def _one_of(handler: composite.OneOf, found: Sequence[Child], children: Sequence[composite.Child]) -> Composite:
    watched = [child.health for child in children if isinstance(child, composite.WatchedChild)]
    needs = tuple(need for child in found for need in child.needs)
    return Composite(handler, needs, AnyHealth(watched) if watched else None)


def _health_of(child: Child, path: str) -> Health:
    if child.health is None:
        raise ConfigError(Problem(path, _not_enabled(child)))
    return child.health


def _not_enabled(child: Child) -> str:
    way = "give it an active healthCheck" if child.kind == "loadBalancer" else "give it 'healthCheck: {}'"
    return f"healthCheck not enabled in config for this {child.kind or 'internal'} service: '{child.name}'; {way}"
