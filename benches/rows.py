"""What is measured: routes, load, budget. The budgets are those of docs/design.md §6."""

from collections.abc import Callable
from typing import Any, Final

import load
from attrs import frozen
from peers import Routes, Servers

HOSTS: Final = 10_000


@frozen
class Row:
    """One line of the table."""

    key: str
    title: str
    routes: Callable[[Servers], Routes]
    frontend: str
    """The same for HAProxy, in its own language."""
    script: str
    connections: int = 50
    per: str = "request"
    against_traefik: float | None = None
    against_haproxy: float | None = None


def _services(servers: Servers) -> dict[str, Any]:
    return {
        name: {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
        for name, port in (("nginx", servers.nginx_port), ("sink", servers.sink_port))
    }


def one_router(servers: Servers) -> Routes:
    routers = {"all": {"rule": "Host(`h0.example`)", "service": "nginx"}}
    return {"http": {"routers": routers, "services": _services(servers)}}


def uploads(servers: Servers) -> Routes:
    routers = {"all": {"rule": "Host(`h0.example`)", "service": "sink"}}
    return {"http": {"routers": routers, "services": _services(servers)}}


def five_middlewares(servers: Servers) -> Routes:
    middlewares = {
        "strip": {"stripPrefix": {"prefixes": ["/hello"]}},
        "add": {"addPrefix": {"prefix": "/other"}},
        "ask": {"headers": {"customRequestHeaders": {"X-Bench": "request"}}},
        "tell": {"headers": {"customResponseHeaders": {"X-Bench": "response"}}},
        "all": {"chain": {"middlewares": ["strip", "add", "ask", "tell"]}},
    }
    routers = {"all": {"rule": "Host(`h0.example`)", "service": "nginx", "middlewares": ["all"]}}
    return {"http": {"routers": routers, "services": _services(servers), "middlewares": middlewares}}


def many_routers(servers: Servers) -> Routes:
    routers = {f"r{number}": {"rule": f"Host(`h{number}.example`)", "service": "nginx"} for number in range(HOSTS)}
    return {"http": {"routers": routers, "services": _services(servers)}}


ONE: Final = "  use_backend small if { hdr(host) -i h0.example }"
FIVE: Final = r"""
  http-request replace-path /hello(.*) /other\1
  http-request set-header X-Bench request
  http-response set-header X-Bench response
"""
MANY: Final = "  use_backend %[req.hdr(host),lower,map({folder}/hosts.map)]"
"""HAProxy's way to route by many hosts: a map, which is an index, too."""

ROWS: Final = (
    Row("get", "one router, small GET", one_router, ONE, load.SAME, against_traefik=0.5, against_haproxy=1.6),
    Row(
        "get-ids",
        "the same, every request with another X-Request-Id",
        one_router,
        ONE,
        load.OTHER_ID,
        against_traefik=0.5,
        against_haproxy=1.6,
    ),
    Row(
        "five",
        "+ five middlewares that exist (stripPrefix, addPrefix, headers twice, chain)",
        five_middlewares,
        FIVE + ONE,
        load.SAME,
        against_traefik=0.6,
    ),
    Row(
        "five-ids",
        "the same, every request with another X-Request-Id",
        five_middlewares,
        FIVE + ONE,
        load.OTHER_ID,
        against_traefik=0.6,
    ),
    Row("hosts", "10 000 routers, every request another host", many_routers, MANY, load.OTHER_HOST, against_traefik=0.08),
    Row("download", "10 MiB downloads", one_router, ONE, load.DOWNLOAD, 4, "MiB", against_traefik=1.0),
    Row("upload", "10 MiB uploads", uploads, ONE, load.UPLOAD, 4, "MiB", against_traefik=1.0),
)
