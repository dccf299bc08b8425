"""The command line: flags to a running gateway, and subcommands to look at one."""

import argparse
import os
import sys
from collections.abc import Sequence

from pointsman.commands import COMMANDS
from pointsman.commands.help import print_help
from pointsman.commands.run import run
from pointsman.errors import ConfigError
from pointsman.plugins import load_registry


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pointsman`; the exit status: 0, or 1 for a configuration or request that cannot be served."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    registry = load_registry()
    commands = {command.name: command for command in COMMANDS} | registry.commands
    if arguments and not arguments[0].startswith("-"):
        command = commands.get(arguments[0])
        if command is None:
            print_help(commands.values(), registry)
            print(f"\ncommand not found: {arguments[0]}", file=sys.stderr)
            return 1
        parser = argparse.ArgumentParser(f"pointsman {command.name}", description=command.help, allow_abbrev=False)
        command.arguments(parser)
        return _guarded(lambda: command.run(parser.parse_args(arguments[1:])))
    if any(argument in ("-h", "-help", "--help") for argument in arguments):
        return _guarded(lambda: print_help(commands.values(), registry))
    return _guarded(lambda: run(arguments, registry))


def _guarded(action: object) -> int:
    try:
        status: int = action()  # type: ignore[operator]
        sys.stdout.flush()
        return status
    except ConfigError as error:
        for problem in error.problems:
            print(f"{'warning' if problem.warning else 'error'}: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
