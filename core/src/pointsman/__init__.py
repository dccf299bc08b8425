"""Pointsman, an API gateway: what plugin authors import, and nothing else."""

from pointsman.answers import Deferred, amended, edited, followed, pending
from pointsman.api import (
    Balancer,
    Binder,
    BuildContext,
    Command,
    ExporterContext,
    Handler,
    Matcher,
    Middleware,
    Peer,
    Pending,
    Pick,
    Predicate,
    Provider,
    ProviderContext,
    Publish,
    Receiver,
    SharedState,
    SpanExporter,
    TcpMatcher,
    TcpMiddleware,
    TcpPredicate,
)
from pointsman.deadlines import Deadlines
from pointsman.hookspecs import hookimpl
from pointsman.message import Address, Body, Exchange, Facts, Headers, Link, Request, Response, Spelled, reason
from pointsman.passing import noticed, noticed_tunnel
from pointsman.paths import decoded, encoded, normalise, sanitise
from pointsman.rendezvous import rendezvous
from pointsman.sighting import sighted
from pointsman.spans import Attributes, AttributeValue, Resource, Span
from pointsman.transforms import Transform, transformed
from pointsman.values import Duration, FileOrContent, Secret, TextFile, allow_empty, option

__version__ = "0.1.0"

__all__ = [
    "Address",
    "AttributeValue",
    "Attributes",
    "Balancer",
    "Binder",
    "Body",
    "BuildContext",
    "Command",
    "Deadlines",
    "Deferred",
    "Duration",
    "Exchange",
    "ExporterContext",
    "Facts",
    "FileOrContent",
    "Handler",
    "Headers",
    "Link",
    "Matcher",
    "Middleware",
    "Peer",
    "Pending",
    "Pick",
    "Predicate",
    "Provider",
    "ProviderContext",
    "Publish",
    "Receiver",
    "Request",
    "Resource",
    "Response",
    "Secret",
    "SharedState",
    "Span",
    "SpanExporter",
    "Spelled",
    "TcpMatcher",
    "TcpMiddleware",
    "TcpPredicate",
    "TextFile",
    "Transform",
    "allow_empty",
    "amended",
    "decoded",
    "edited",
    "encoded",
    "followed",
    "hookimpl",
    "normalise",
    "noticed",
    "noticed_tunnel",
    "option",
    "pending",
    "reason",
    "rendezvous",
    "sanitise",
    "sighted",
    "transformed",
]
