"""`pointsman --help`: what a newcomer needs first, then every flag."""

from collections.abc import Iterable

from pointsman.api import Command
from pointsman.config.help import flag_help
from pointsman.plugins import Registry

_HEAD = """\
Pointsman, an API gateway: routes requests to services by rules that it learns while it runs.

Usage:
  pointsman [--configFile=FILE | flags]     run the gateway
  pointsman COMMAND [arguments]             look at a configuration or at a running gateway

Begin with:
  pointsman --entryPoints.web.address=:8000 --providers.file.filename=routes.yml --log.level=INFO

A configuration comes from one place: a file (--configFile, or pointsman.yml or traefik.yml in this folder,
~/.config or /etc), or flags, or variables such as POINTSMAN_LOG_LEVEL. They are never mixed.

Commands:"""


def print_help(commands: Iterable[Command], registry: Registry) -> int:
    """Write the help to stdout; the exit status."""
    print(_HEAD)
    for command in commands:
        print(f"  {command.name:<13}{command.help}")
    print("\nFlags (<name> is a name of your choice; lists are comma-separated or repeated):")
    for flag, kind, default, text in flag_help(registry.sections):
        shown = f" (default {default})" if default else ""
        print(f"  {flag} {kind}{shown}")
        if text:
            print(f"      {text}")
    return 0
