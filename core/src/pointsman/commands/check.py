"""`pointsman check`: everything that is wrong with a configuration, at once."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pointsman.api import Command
from pointsman.commands.read import Reading, read_configuration
from pointsman.config.dynamic import MIDDLEWARES, TCP_MIDDLEWARES, structure_element, structure_middleware
from pointsman.config.load import dump_yaml
from pointsman.config.middlewares import Kinds
from pointsman.config.plain import unstructure
from pointsman.config.static import print_static
from pointsman.inspection.masking import masked
from pointsman.plugins import load_registry

_ROUTERS = ("http.routers", "tcp.routers", "udp.routers")
_UNUSABLE = "(cannot be used; see its problems)"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", help="a static or dynamic file, or a directory of dynamic ones; else as pointsman finds it"
    )
    parser.add_argument("--configFile", dest="config_file", metavar="FILE", help="the static configuration")
    parser.add_argument(
        "--print", dest="show", action="store_true", help="print the effective configuration, secrets masked"
    )


def _check(arguments: argparse.Namespace) -> int:
    registry = load_registry()
    reading = read_configuration(arguments.file or arguments.config_file, [], registry)
    if arguments.show:
        print(shown(reading, registry.middlewares, registry.tcp_middlewares), end="")
    errors = [problem for problem in reading.problems if not problem.warning]
    warnings = [problem for problem in reading.problems if problem.warning]
    for problem in warnings:
        print(f"warning: {problem}", file=sys.stderr)
    for problem in errors:
        print(f"error: {problem}", file=sys.stderr)
    routers = [status for section in _ROUTERS for status in reading.compiled.statuses.get(section, {}).values()]
    served = sum(status.word != "disabled" for status in routers)
    verdict = "no problems" if not reading.problems else f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    print(f"{reading.source}: {verdict}; {served} of {len(routers)} routers can be served", file=sys.stderr)
    return 1 if errors else 0


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def shown(reading: Reading, middlewares: Kinds, tcp_middlewares: Kinds) -> str:
    """The effective configuration as YAML: static with its defaults, and dynamic by full names, secrets masked."""
    dynamic: dict[str, dict[str, Any]] = {}
    for section, elements in reading.tree.items():
        if elements:
            area, _, key = section.partition(".")
            kinds = tcp_middlewares if section == TCP_MIDDLEWARES else middlewares
            dynamic.setdefault(area, {})[key] = {name: masked(_plain(section, raw, kinds)) for name, raw in elements.items()}
    return dump_yaml({"static": print_static(reading.static), "dynamic": dynamic})


def _plain(section: str, raw: Any, middlewares: Kinds) -> Any:
    """One element as it is understood; one that is not could hold a secret anywhere, so it is not printed."""
    if section in (MIDDLEWARES, TCP_MIDDLEWARES):
        kind, config, _ = structure_middleware(raw, "", middlewares)
        return {kind: unstructure(config)} if config is not None else _UNUSABLE
    element, _ = structure_element(section, raw, "")
    return unstructure(element) if element is not None else _UNUSABLE


check = Command("check", "Check a configuration; print every problem, exit with 1 if it has errors.", _arguments, _check)
