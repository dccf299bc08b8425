"""Elements of one section that may name one another: built when first asked for, or carried over with all they need."""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from pointsman.compile.parts import DEEPEST, Tree, qualify
from pointsman.config.dynamic import structure_element
from pointsman.errors import ConfigError, Problem


class Element(Protocol):
    """Something built of a raw element and of others."""

    @property
    def name(self) -> str: ...
    @property
    def raw(self) -> Any: ...
    @property
    def needs(self) -> tuple[Any, ...]: ...


E = TypeVar("E", bound=Element)


class Elements(Generic[E]):
    """The elements of one compilation. Whoever inherits says what they are called and how one is built."""

    section: str
    noun: str

    def __init__(self, tree: Tree, old: Mapping[str, E]) -> None:
        self.built: dict[str, E] = {}
        self._declared: Mapping[str, Any] = tree.get(self.section, {})
        self._old = old
        self._broken: dict[str, tuple[Problem, ...]] = {}  # no errors: their tracebacks would hold this
        self._path: list[str] = []

    def get(self, reference: str, owner: str) -> E:
        """The element that `owner` calls `reference`. ConfigError if there is none that can be used."""
        name = qualify(reference, owner)
        entry = self.built.get(name)
        if entry is not None:
            return entry
        if name in self._path:
            chain = "->".join(f"{self.noun}:{part}" for part in [*self._path[self._path.index(name) :], name])
            raise ConfigError(Problem(f"{self.section}.{name}", f"recursion detected in {chain}"))
        if name in self._broken:
            raise ConfigError(self._broken[name])
        if len(self._path) >= DEEPEST:
            raise ConfigError(Problem(f"{self.section}.{name}", f"is more than {DEEPEST} {self.noun}s deep"))
        self._path.append(name)
        try:
            entry = self._reused(name) or self._made(name)
        except ConfigError as error:
            self._broken[name] = error.problems
            raise
        finally:
            self._path.pop()
        self.built[name] = entry
        return entry

    def _reused(self, name: str) -> E | None:
        """The running one, if it and all it needs are as they were."""
        old = self._old.get(name)
        if old is None or self._declared.get(name) is not old.raw:
            return None
        return old if all(self._still(need, name) for need in old.needs) else None

    def _still(self, need: Any, owner: str) -> bool:
        return self.get(need.name, owner) is need

    def _made(self, name: str) -> E:
        raw = self._declared.get(name)
        if raw is None:
            raise ConfigError(Problem("", f'the {self.noun} "{name}" does not exist', missing=name))
        return self._build(name, raw, f"{self.section}.{name}")

    def _build(self, name: str, raw: Any, path: str) -> E:
        raise NotImplementedError


class StreamServices(Elements[E]):
    """The TCP or UDP services of one compilation: a load balancer, or weighted children."""

    noun = "service"

    def _build(self, name: str, raw: Any, path: str) -> E:
        config, problems = structure_element(self.section, raw, path)
        if config is None:
            raise ConfigError(problems)
        if config.load_balancer is not None and config.weighted is not None:
            raise ConfigError(Problem(path, "multi-types service not supported; here are loadBalancer, weighted, keep one"))
        if config.load_balancer is not None:
            return self._load_balancer(name, raw, f"{path}.loadBalancer", config.load_balancer)
        if config.weighted is not None:
            return self._weighted(name, raw, f"{path}.weighted", config.weighted)
        message = f'the service "{name}" does not have any type defined; give it one of loadBalancer, weighted'
        raise ConfigError(Problem(path, message))

    def _load_balancer(self, name: str, raw: Any, path: str, config: Any) -> E:
        raise NotImplementedError

    def _weighted(self, name: str, raw: Any, path: str, config: Any) -> E:
        raise NotImplementedError
