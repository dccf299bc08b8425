"""Pointsman, an API gateway: what plugin authors import, and nothing else."""

from pointsman.answers import amended, edited
from pointsman.api import (
    Balancer,
    Binder,
    BuildContext,
    Command,
    Handler,
    Matcher,
    Middleware,
    Peer,
    Pick,
    Predicate,
    Provider,
    ProviderContext,
    Publish,
    TcpMatcher,
    TcpMiddleware,
    TcpPredicate,
)
from pointsman.hookspecs import hookimpl
from pointsman.message import Address, Body, Exchange, Facts, Headers, Link, Request, Response, reason
from pointsman.paths import decoded, encoded, sanitise
from pointsman.rendezvous import rendezvous
from pointsman.values import Duration, FileOrContent, Secret, allow_empty, option

__version__ = "0.1.0"

__all__ = [
    "Address",
    "Balancer",
    "Binder",
    "Body",
    "BuildContext",
    "Command",
    "Duration",
    "Exchange",
    "Facts",
    "FileOrContent",
    "Handler",
    "Headers",
    "Link",
    "Matcher",
    "Middleware",
    "Peer",
    "Pick",
    "Predicate",
    "Provider",
    "ProviderContext",
    "Publish",
    "Request",
    "Response",
    "Secret",
    "TcpMatcher",
    "TcpMiddleware",
    "TcpPredicate",
    "allow_empty",
    "amended",
    "decoded",
    "edited",
    "encoded",
    "hookimpl",
    "option",
    "reason",
    "rendezvous",
    "sanitise",
]
