"""Reading a configuration without serving by it: what `check` and `explain` share. Exactly what a worker does."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.dynamic import SECTIONS
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.load import load_file
from pointsman.config.sources import Loaded, read_static
from pointsman.config.static import Static
from pointsman.control.exporters import check_exporters
from pointsman.control.merge import Tree
from pointsman.control.providers import build_providers
from pointsman.control.services import enabled
from pointsman.control.unsupported import unsupported_static
from pointsman.control.watcher import read_once
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.message import Request, Response
from pointsman.observe.accesslog import check_access_log
from pointsman.plugins import Registry

_POINTS = {area: EntryPoint(address=address) for area, address in (("http", ":80"), ("tcp", ":80"), ("udp", ":53/udp"))}
_DYNAMIC_ROOTS = {section.partition(".")[0] for section in SECTIONS}


@frozen
class Reading:
    """A configuration, read and compiled: what it says and everything that is wrong with it."""

    static: Static
    source: str
    tree: Tree
    compiled: Compiled
    problems: tuple[Problem, ...]


def _is_dynamic(file: Path) -> bool:
    """Whether a file holds routers and services rather than entry points and providers."""
    if file.is_dir():
        return True
    raw = load_file(file)
    keys = {str(key).lower() for key in raw} if isinstance(raw, dict) else set()
    return bool(keys & _DYNAMIC_ROOTS) and "entrypoints" not in keys and "providers" not in keys


def read_configuration(file: str | None, flags: Sequence[str], registry: Registry) -> Reading:
    """The configuration in `file` (static, or dynamic with the defaults for the rest), or wherever `pointsman` finds it.

    ConfigError if its static part is no good.
    """
    problems: list[Problem] = list(registry.problems)
    alone = False
    if file is None:
        loaded = read_static(flags, os.environ, os.getcwd(), registry.sections)
    elif not Path(file).exists():
        raise ConfigError(Problem(file, "there is no such file or directory"))
    elif _is_dynamic(Path(file)):
        alone = True
        kind = "directory" if Path(file).is_dir() else "filename"
        static = read_static([f"--providers.file.{kind}={file}"], {}, os.devnull, registry.sections, etc=os.devnull).config
        loaded = Loaded(_with_named_points(static, file), f"file {file}")
    else:
        loaded = read_static([f"--configFile={file}"], {}, os.getcwd(), registry.sections)
    problems += loaded.warnings
    problems += check_exporters(loaded.config, registry)
    providers, _, broken = build_providers(loaded.config, registry)
    tree, found, silent = read_once(providers, registry.middlewares, registry.tcp_middlewares)
    compiled = compile_for_reading(loaded.config, registry, tree)
    missing = unsupported_static(loaded.config)
    missing += check_access_log(loaded.config.access_log, registry.log_formats)
    seen = {"internal", *(name for name, _ in providers)} - silent
    unknown = {provider for each in compiled.problems if (provider := _owner(each)) not in seen} if alone else silent
    compiles = [_as_seen(each, unknown) for each in compiled.problems]
    every = dict.fromkeys([*problems, *broken, *found, *compiles, *missing])
    return Reading(loaded.config, loaded.source, tree, compiled, tuple(every))


def _owner(problem: Problem) -> str:
    """The provider of what is missing; "" if nothing is."""
    return problem.missing.rpartition("@")[2]


def _as_seen(problem: Problem, unknown: Collection[str]) -> Problem:
    """A warning alone where what is missing is that of a provider of which nothing is known here."""
    provider = _owner(problem)
    if not provider or provider not in unknown:
        return problem
    message = f'"{problem.missing}" cannot be looked for, since nothing is known here of what {provider} says'
    return evolve(problem, message=message, warning=True)


def _with_named_points(static: Static, file: str) -> Static:
    """A dynamic file alone names entry points that only its static configuration knows: they are taken to exist."""
    named: dict[str, Any] = {}
    for path in [Path(file)] if Path(file).is_file() else sorted(Path(file).rglob("*")):
        try:
            raw = load_file(path) if path.suffix.lower() in (".yml", ".yaml", ".toml") else {}
        except ConfigError:
            continue
        for area, like in _POINTS.items():
            named.update(dict.fromkeys(_points_in(raw, area), like))
    return evolve(static, entry_points={**static.entry_points, **named})


def _points_in(raw: Any, area: str) -> Iterator[str]:
    """The entry points that the routers of one area name; `udp` if one of UDP names none."""
    block = raw.get(area) if isinstance(raw, dict) else None
    routers = block.get("routers") if isinstance(block, dict) else None
    for router in routers.values() if isinstance(routers, dict) else ():
        points = router.get("entryPoints") if isinstance(router, dict) else None
        if not points and area == "udp":
            yield "udp"
        for point in points if isinstance(points, list) else str(points).split(",") if points else ():
            yield str(point).strip()


def compile_for_reading(static: Static, registry: Registry, tree: Tree) -> Compiled:
    def answer(request: Request) -> Response:
        return Response(200, None, b"OK")

    internal = {f"{name}@internal": answer for name in enabled(static, registry)}
    return Compiler(Surroundings(static, registry, Deadlines(), internal)).compile_now(tree)
