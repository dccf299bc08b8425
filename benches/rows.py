"""What is measured: routes, load, budget. The budgets are those of docs/design.md §6. `protocols.py` has those that are not
plain HTTP/1.1, `services.py` those of services that choose."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import load
from attrs import frozen
from load import Load, Wrk
from peers import Routes, Servers

HOSTS: Final = 10_000


@frozen
class Row:
    """One line of the table."""

    key: str
    title: str
    routes: Callable[[Servers], Routes]
    load: Load
    haproxy: str | None = None
    """The same for HAProxy, in its own language; it does not take part without."""
    nginx: str | None = None
    per: str = "request"
    against_traefik: float | None = None
    against_haproxy: float | None = None
    datagrams: bool = False
    grpc: bool = False
    """Whether the gRPC server is needed."""
    static: Callable[[Servers, str], Mapping[str, Any]] | None = None
    """What the dialect's gateways are told at their start, by their names; the plain row's is told nothing."""
    ours: bool = False
    """Whether it is only Pointsman's, so that Traefik cannot take part."""
    plain: Callable[[Servers], Routes] | None = None
    """What Pointsman is compared with besides: itself, under the same load, with these routes."""
    against_plain: float | None = None
    proof: Callable[[Path, Servers, int], str] | None = None
    """What one answer does not show of the work, in words that must be the same for every gateway; given its port."""


def balanced(*urls: str) -> dict[str, Any]:
    """A service over servers."""
    return {"loadBalancer": {"servers": [{"url": url} for url in urls]}}


def services(servers: Servers) -> dict[str, Any]:
    return {
        "nginx": balanced(f"http://127.0.0.1:{servers.nginx_port}"),
        "sink": balanced(f"http://127.0.0.1:{servers.sink_port}"),
    }


def one_router(servers: Servers) -> Routes:
    routers = {"all": {"rule": "Host(`h0.example`)", "service": "nginx"}}
    return {"http": {"routers": routers, "services": services(servers)}}


def uploads(servers: Servers) -> Routes:
    routers = {"all": {"rule": "Host(`h0.example`)", "service": "sink"}}
    return {"http": {"routers": routers, "services": services(servers)}}


def many_routers(servers: Servers) -> Routes:
    routers = {f"r{number}": {"rule": f"Host(`h{number}.example`)", "service": "nginx"} for number in range(HOSTS)}
    return {"http": {"routers": routers, "services": services(servers)}}


def over_http(frontend: str, bind: str = "") -> str:
    """HAProxy over the same servers."""
    return f"""
frontend web
  bind 127.0.0.1:$port backlog 4096 {bind}
  option forwardfor
  use_backend uploads if {{ path /upload }}
{frontend}
  default_backend small
backend small
  server nginx 127.0.0.1:$nginx
backend uploads
  server sink 127.0.0.1:$sink
"""


ONE: Final = over_http("  use_backend small if { hdr(host) -i h0.example }")
MANY: Final = over_http("  use_backend %[req.hdr(host),lower,map($folder/hosts.map)]")
"""HAProxy's way to route by many hosts: a map, which is an index, too."""

ROWS: Final = (
    Row("get", "one router, small GET", one_router, Wrk(load.SAME), ONE, against_traefik=0.5, against_haproxy=1.6),
    Row(
        "get-ids",
        "the same, every request with another X-Request-Id",
        one_router,
        Wrk(load.OTHER_ID),
        ONE,
        against_traefik=0.5,
        against_haproxy=1.6,
    ),
    Row(
        "hosts", "10 000 routers, every request another host", many_routers, Wrk(load.OTHER_HOST), MANY, against_traefik=0.08
    ),
    Row(
        "download",
        "10 MiB downloads",
        one_router,
        Wrk(load.DOWNLOAD, 4, unit="download"),
        ONE,
        per="MiB",
        against_traefik=1.0,
    ),
    Row("upload", "10 MiB uploads", uploads, Wrk(load.UPLOAD, 4, unit="upload"), ONE, per="MiB", against_traefik=1.0),
)
