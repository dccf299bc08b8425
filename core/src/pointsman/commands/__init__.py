"""The subcommands that ship inside."""

from pointsman.api import Command
from pointsman.commands.check import check
from pointsman.commands.explain import explain
from pointsman.commands.healthcheck import healthcheck
from pointsman.commands.inventory import plugins, version

COMMANDS: tuple[Command, ...] = (check, explain, plugins, version, healthcheck)
