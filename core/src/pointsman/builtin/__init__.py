"""The plugins that ship inside; they come by the same hooks as any other."""

from collections.abc import Sequence

from pointsman.api import Balancer, LogFormat, Matcher, Provider, TcpMatcher
from pointsman.builtin.file import FileProvider
from pointsman.builtin.log_json import Json
from pointsman.builtin.log_lines import Common, GenericCLF
from pointsman.builtin.log_template import Template
from pointsman.builtin.matchers import MATCHERS
from pointsman.builtin.roundrobin import RoundRobin
from pointsman.builtin.tcp_matchers import TCP_MATCHERS
from pointsman.hookspecs import hookimpl


@hookimpl
def pointsman_providers() -> Sequence[type[Provider]]:
    return [FileProvider]


@hookimpl
def pointsman_balancers() -> Sequence[type[Balancer]]:
    return [RoundRobin]


@hookimpl
def pointsman_matchers() -> Sequence[Matcher]:
    return MATCHERS


@hookimpl
def pointsman_tcp_matchers() -> Sequence[TcpMatcher]:
    return TCP_MATCHERS


@hookimpl
def pointsman_log_formats() -> Sequence[type[LogFormat]]:
    return [Common, GenericCLF, Json, Template]
