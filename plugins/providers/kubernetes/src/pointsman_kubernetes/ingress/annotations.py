"""Annotations of Ingresses and Services: the grammar of labels below a prefix of their own (kubernetes.md §2.3).

What stands below `router.` on an Ingress, or `service.` on a Service, must be known and right: who misspells the name of a
middleware must not be served without it. All else below the prefix has no effect, and is warned of.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from attrs import field, frozen

from pointsman.dialect.lookups import at, block, text, texts
from pointsman.errors import ConfigError, Problem
from pointsman_kubernetes.objects import Object

PREFIX: Final = "traefik.ingress.kubernetes.io/"
CLASS: Final = "kubernetes.io/ingress.class"
_NGINX: Final = "nginx.ingress.kubernetes.io/"
_PLACES: Final = {"router": "Ingresses", "service": "Services"}
_ROUTER: Final = "traefik.http.routers.r."
_SERVICE: Final = "traefik.http.services.s."
_LOAD_BALANCER: Final = f"{_SERVICE}loadbalancer."
_ROUTER_KEYS: Final = ("entrypoints", "middlewares", "priority", "rulesyntax", "pathmatcher", "tls", "observability")
_SERVICE_KEYS: Final = {
    "serversscheme": "",
    "serverstransport": _LOAD_BALANCER,
    "passhostheader": _LOAD_BALANCER,
    "middlewares": _SERVICE,
    "nativelb": "",
    "nodeportlb": "",
    "sticky": _LOAD_BALANCER,
}
_INDEX: Final = re.compile(r"(.+)\.(\w+)\.(\d+)\.(.+)")
_TRUTH: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_SCHEMES: Final = ("http", "https", "h2c")

Labels = Callable[[Mapping[str, str]], tuple[dict[str, Any], Sequence[Problem]]]
"""`ProviderContext.from_labels`."""


class Misread(ValueError):
    """An annotation cannot be used: the message names it."""


@frozen
class RouterSays:
    """What an Ingress says of its routers."""

    router: Mapping[str, Any] = field(factory=dict)
    """In the dialect."""
    path_matcher: str = ""

    @property
    def crossing(self) -> list[str]:
        """What it names of other providers, with `@` or without: Ingresses bring nothing of the kind themselves."""
        return [name for name in (*self.router.get("middlewares", ()), text(self.router, "tls", "options")) if name]


@frozen
class ServiceSays:
    """What a Service says of how it is reached."""

    load_balancer: Mapping[str, Any] = field(factory=dict)
    """In the dialect."""
    middlewares: Sequence[str] = ()
    scheme: str = ""
    native: bool | None = None
    node_port: bool = False

    @property
    def crossing(self) -> list[str]:
        return [name for name in (*self.middlewares, text(self.load_balancer, "serversTransport")) if name]


_NOTHING_OF_ROUTERS: Final = RouterSays()
_NOTHING_OF_SERVICES: Final = ServiceSays()


def annotations(thing: Object) -> dict[str, str]:
    return texts(thing, "metadata", "annotations")


def of_router(ingress: Object, from_labels: Labels) -> RouterSays:
    """Misread for annotations that cannot be used."""
    labels = {}
    path_matcher = ""
    for key, value in _below(ingress, "router"):
        word = _known(key, "router", _ROUTER_KEYS)
        if word == "pathmatcher":
            path_matcher = value
        else:
            labels[_ROUTER + key] = value
    if not labels:
        return RouterSays(path_matcher=path_matcher) if path_matcher else _NOTHING_OF_ROUTERS
    return RouterSays(block(_read(labels, from_labels), "routers", "r"), path_matcher)


def of_service(service: Object, from_labels: Labels) -> ServiceSays:
    """Misread for annotations that cannot be used."""
    labels, own = {}, {}
    for key, value in _below(service, "service"):
        word = _known(key, "service", tuple(_SERVICE_KEYS))
        if root := _SERVICE_KEYS[word]:
            labels[root + key] = value
        else:
            own[word] = value
    if not labels and not own:
        return _NOTHING_OF_SERVICES
    said = block(_read(labels, from_labels), "services", "s") if labels else {}
    scheme = own.get("serversscheme", "")
    if scheme and scheme not in _SCHEMES:
        raise Misread(f"{PREFIX}service.serversscheme: must be one of {', '.join(_SCHEMES)}, got '{scheme[:100]}'")
    native, node_port = _truth(own, "nativelb"), _truth(own, "nodeportlb") is True
    return ServiceSays(block(said, "loadBalancer"), said.get("middlewares", ()), scheme, native, node_port)


def _truth(own: Mapping[str, str], key: str) -> bool | None:
    value = own.get(key)
    if value is not None and value not in _TRUTH:
        raise Misread(f"{PREFIX}service.{key}: must be true or false, got '{value[:100]}'")
    return None if value is None else _TRUTH[value]


def _below(thing: Object, part: str) -> Iterator[tuple[str, str]]:
    """Keys below `router.` or `service.`, as labels write them, and values."""
    for name, value in annotations(thing).items():
        if name.startswith(PREFIX):
            word, _, key = name.removeprefix(PREFIX).partition(".")
            if word.lower() == part and key:
                yield _INDEX.sub(r"\1.\2[\3].\4", f"{part}.{key}").removeprefix(f"{part}."), value


def _known(key: str, part: str, keys: Sequence[str]) -> str:
    word = key.partition(".")[0].lower()
    if word not in keys:
        close = get_close_matches(word, keys, 1, 0.7)
        meant = f"; did you mean {part}.{close[0]}?" if close else ""
        raise Misread(f"{PREFIX}{part}.{key[:100]}: no such annotation{meant}")
    return word


def _read(labels: Mapping[str, str], from_labels: Labels) -> Mapping[str, Any]:
    try:
        document, _ = from_labels(labels)
    except ConfigError as error:
        raise Misread("; ".join(f"{_as_annotation(each.path)}: {each.message}" for each in error.problems[:3])) from None
    return block(document, "http")


def _as_annotation(label: str) -> str:
    for root, part in ((_ROUTER, "router."), (_LOAD_BALANCER, "service."), (_SERVICE, "service.")):
        if label.startswith(root):
            return PREFIX + part + label.removeprefix(root)
    return label


def near_misses(thing: Object, part: str) -> Iterator[str]:
    """What is said of annotations without effect: those of other objects, of ingress-nginx, and unknown ones."""
    for name in annotations(thing):
        if name.startswith(PREFIX):
            word, _, key = name.removeprefix(PREFIX).partition(".")
            if word.lower() != part or not key:
                where = _PLACES.get(word.lower()) if key else None
                told = f"stands on {where} only" if where else f"no such annotation; they begin with {PREFIX}{part}."
                yield f"{name[:200]}: has no effect: {told}"
        elif name.startswith(_NGINX) and part == "router":
            yield f"{name[:200]}: has no effect here; the provider kubernetesIngressNGINX reads such annotations"


def class_of(ingress: Object) -> tuple[str | None, str]:
    """The class that the Ingress names in its `spec`, if it does, and in its annotation."""
    named = at(ingress, "spec", "ingressClassName")
    return named if isinstance(named, str) else None, annotations(ingress).get(CLASS, "")
