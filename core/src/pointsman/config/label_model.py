"""What labels and keys may name: the fields of the models, and where labels differ from them (providers.md §3.2-§3.4)."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from attrs import frozen

from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.dynamic import CERTIFICATES
from pointsman.config.http_model import LoadBalancer, Router, Service
from pointsman.config.schema import Kind, kind_of_type, strip_optional
from pointsman.config.spelling import spelled
from pointsman.config.tcp_model import TCPLoadBalancer, TCPService, UDPLoadBalancer, UDPService
from pointsman.config.tls_model import TLSStore


@frozen
class LabelServer:
    """`loadBalancer.server` of labels: the one server that a container is."""

    url: str = ""
    scheme: str = ""
    port: str = ""
    weight: int = 1
    preserve_path: bool = False


@frozen
class LabelTCPServer:
    port: str = ""
    tls: bool = False


@frozen
class LabelUDPServer:
    port: str = ""


SERVERS: Final[Mapping[type, type]] = {
    LoadBalancer: LabelServer,
    TCPLoadBalancer: LabelTCPServer,
    UDPLoadBalancer: LabelUDPServer,
}
"""Whose `servers` labels write as one `server`."""
BEYOND_LABELS: Final[Mapping[type, tuple[str, ...]]] = {
    Router: ("parentRefs",),
    Service: ("weighted", "highestRandomWeight", "mirroring", "failover"),
    TCPService: ("weighted",),
    UDPService: ("weighted",),
    LabelServer: ("fenced",),
    LabelTCPServer: ("address",),
    LabelUDPServer: ("address",),
    TLSStore: ("defaultCertificate",),
}
"""Fields that labels may name without effect (providers.md §3.4)."""
SECTIONS_BEYOND_LABELS: Final = (
    "http.serversTransports",
    "http.models",
    "tcp.serversTransports",
    CERTIFICATES,
    "tls.options",
)
NEVER_ALONE: Final = frozenset(
    (
        "buffering",
        "encodedcharacters",
        "forwardauth.tls",
        "grpcweb",
        "inflightreq.sourcecriterion",
        "inflightreq.sourcecriterion.ipstrategy",
        "ratelimit.redis",
        "ratelimit.redis.tls",
        "ratelimit.sourcecriterion",
        "ratelimit.sourcecriterion.ipstrategy",
    )
)
"""Parts of middlewares that a document may write as `{}`, and labels and keys may not (providers.md §3.2)."""


@frozen
class Shape:
    """How values of an annotation are written."""

    kind: Kind
    inner: Any
    """The class of a block or of a list's blocks, the annotation of a map's values, of a list's elements, or its own."""


@frozen
class Field:
    spelled: str
    shape: Shape
    allow_empty: bool = False
    beyond: bool = False
    """Labels may name it without effect."""


@cache
def shape_of(annotation: Any) -> Shape:
    """The Shape of an annotation as `convert.structure` knows them."""
    annotation = strip_optional(annotation)
    kind = kind_of_type(annotation)
    if kind == "block":
        return Shape(kind, inner_class(annotation))
    if kind in ("list", "blocks"):
        return Shape(kind, inner_class(get_args(annotation)[0]) if kind == "blocks" else get_args(annotation)[0])
    return Shape(kind, (get_args(annotation) or (str, Any))[1] if kind == "map" else annotation)


@cache
def fields(cls: type, labels: bool) -> dict[str, Field]:
    """What may stand in a block of this class, by name in lower case."""
    found = {}
    for attribute in fields_of(cls):
        name = spelled(attribute)
        found[name.lower()] = Field(name, shape_of(attribute.type), bool(attribute.metadata.get("allow_empty")))
    if labels:
        for name in BEYOND_LABELS.get(cls, ()):
            found[name.lower()] = Field(name, shape_of(Any), beyond=True)
        if cls in SERVERS:
            del found["servers"]
            found["server"] = Field("server", shape_of(SERVERS[cls]))
    return found
