"""`pointsman plugins` and `pointsman version`: what is installed."""

import argparse
import platform
import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from pointsman.api import Command
from pointsman.plugins import load_registry, version_of

UNWRAPPED: Final = 10_000
"""Columns, where nobody looks at a terminal: a line per plugin, for `grep` and its kin."""


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def _plugins(arguments: argparse.Namespace) -> int:
    registry = load_registry()
    table = Table(box=None, pad_edge=False)
    for title in ("PLUGIN", "PACKAGE", "VERSION", "BRINGS"):
        table.add_column(title, overflow="fold", no_wrap=title != "BRINGS")
    for plugin in registry.plugins:
        name = "(built in)" if plugin.distribution == "pointsman" else plugin.name
        brings = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in plugin.brings.items())
        table.add_row(name, plugin.distribution, plugin.version or version_of("pointsman"), brings)
    Console(highlight=False, width=None if sys.stdout.isatty() else UNWRAPPED).print(table)
    for problem in registry.problems:
        print(f"error: {problem}")
    return 1 if registry.problems else 0


def _version(arguments: argparse.Namespace) -> int:
    print(f"Version:      {version_of('pointsman')}")
    print("Codename:     junction")
    print(f"Python:       {platform.python_version()} ({platform.python_implementation()})")
    print(f"HTTP loop:    {_loop()}")
    print(f"OS/Arch:      {platform.system().lower()}/{platform.machine()}")
    return 0


def _loop() -> str:
    uvloop = version_of("uvloop")
    return f"uvloop {uvloop}" if uvloop else "asyncio"


plugins = Command("plugins", "List the installed plugins and what each brings.", _no_arguments, _plugins)
version = Command("version", "Print the version and what it runs on.", _no_arguments, _version)
