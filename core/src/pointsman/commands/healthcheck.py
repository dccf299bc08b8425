"""`pointsman healthcheck`: ask a running gateway's ping (operations.md §1.6)."""

import argparse
import http.client
import os
from typing import Any

from pointsman.api import Command
from pointsman.config.sources import read_static
from pointsman.plugins import load_registry

TIMEOUT_SECONDS = 5.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configFile", dest="file", metavar="FILE", help="the configuration the gateway runs with")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="or the flags it runs with, after --")


def _healthcheck(arguments: argparse.Namespace) -> int:
    flags = [flag for flag in arguments.flags if flag != "--"]
    if arguments.file:
        flags = [f"--configFile={arguments.file}"]
    static = read_static(flags, os.environ, os.getcwd(), load_registry().providers).config
    if static.ping is None:
        return _bad("ping is not enabled; set ping: {} in the static configuration")
    point = static.entry_points.get(static.ping.entry_point)
    if point is None:
        return _bad(f"ping's entry point '{static.ping.entry_point}' does not exist")
    host = point.listen.host if point.listen.host not in ("", "0.0.0.0", "::") else "127.0.0.1"
    url = f"http://{f'[{host}]' if ':' in host else host}:{point.listen.port}/ping"
    try:
        connection = http.client.HTTPConnection(host, point.listen.port, timeout=TIMEOUT_SECONDS)
        connection.request("HEAD", "/ping")
        answer: Any = connection.getresponse()
    except OSError as error:
        return _bad(f"cannot ask {url}: {error}")
    if answer.status != 200:
        return _bad(f"{url} answered {answer.status}")
    print(f"OK: {url}")
    return 0


def _bad(reason: str) -> int:
    print(f"Bad: {reason}")
    return 1


healthcheck = Command(
    "healthcheck", "Ask the ping of a running gateway; exit with 0 if it is well.", _arguments, _healthcheck
)
