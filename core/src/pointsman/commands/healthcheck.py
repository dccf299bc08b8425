"""`pointsman healthcheck`: ask a running gateway's ping (operations.md §1.6)."""

import argparse
import asyncio
import os

from pointsman.api import Command
from pointsman.config.sources import read_static
from pointsman.control.ping import NotWell, ask_ping, reachable, url_of
from pointsman.plugins import load_registry


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configFile", dest="file", metavar="FILE", help="the configuration the gateway runs with")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="or the flags it runs with, after --")


def _healthcheck(arguments: argparse.Namespace) -> int:
    flags = [flag for flag in arguments.flags if flag != "--"]
    if arguments.file:
        flags = [f"--configFile={arguments.file}"]
    static = read_static(flags, os.environ, os.getcwd(), load_registry().sections).config
    if static.ping is None:
        return _bad("ping is not enabled; set ping: {} in the static configuration")
    point = static.entry_points.get(static.ping.entry_point)
    if point is None:
        return _bad(f"ping's entry point '{static.ping.entry_point}' does not exist")
    address, tls = reachable(point.listen.host, point.listen.port), point.http.tls is not None
    try:
        asyncio.run(ask_ping(address, tls))
    except NotWell as reason:
        return _bad(str(reason))
    print(f"OK: {url_of(address, tls)}")
    return 0


def _bad(reason: str) -> int:
    print(f"Bad: {reason}")
    return 1


healthcheck = Command(
    "healthcheck", "Ask the ping of a running gateway; exit with 0 if it is well.", _arguments, _healthcheck
)
