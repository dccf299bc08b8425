"""Which Ingresses are served, and in what order (kubernetes.md §5.2). Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from pointsman.dialect.lookups import at, text
from pointsman.errors import Problem
from pointsman_kubernetes.kinds import INGRESS, INGRESS_CLASS
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import ANY, Ingress
from pointsman_kubernetes.objects import Object, Objects, key_of, name_of, namespace_of

CLASS: Final = "kubernetes.io/ingress.class"
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9._\-/]*")
_UNREAD_CLASS: Final = (
    "is not served: IngressClasses cannot be read; let the gateway read ingressclasses.networking.k8s.io,"
    f" or name the class in the annotation {CLASS}"
)
_SNIPPETS: Final = ("configuration-snippet", "server-snippet", "auth-snippet")


def selected(
    config: KubernetesIngressNGINXConfig, objects: Objects, watched: Callable[[str], bool]
) -> tuple[list[Ingress], list[Problem]]:
    """Those that are served, and what is told of those that are not; `watched` says of which namespaces they may be."""
    classes = {name_of(each) for each in objects.all(INGRESS_CLASS) if _ours(config, each)}
    served, problems = [], []
    owners: dict[str, Ingress] = {}
    for thing in _ordered(objects.all(INGRESS)):
        if not watched(namespace_of(thing)):
            continue
        if not _wanted(config, thing, classes):
            if not classes and INGRESS_CLASS in objects.missing and _class_of(thing) == config.ingress_class:
                problems.append(Problem(f"ingress {key_of(thing)}", _UNREAD_CLASS, warning=True))
            continue
        ingress = Ingress(thing)
        fault = _fault(config, ingress)
        if not fault and owners.setdefault(ingress.prefix, ingress) is not ingress:
            fault = (
                f"its routers would be called as those of {owners[ingress.prefix].key}, which is older; rename one of them"
            )
        if fault:
            problems.append(Problem(f"ingress {ingress.key}", fault, warning=True))
        else:
            served.append(ingress)
    return served, problems


def _ours(config: KubernetesIngressNGINXConfig, thing: Object) -> bool:
    if text(thing, "spec", "controller") == config.controller_class:
        return True
    return config.ingress_class_by_name and name_of(thing) == config.ingress_class


def _wanted(config: KubernetesIngressNGINXConfig, thing: Object, classes: set[str]) -> bool:
    name = _class_of(thing)
    if classes and isinstance(name, str):
        return name in classes
    annotation = at(thing, "metadata", "annotations", CLASS)
    return annotation == config.ingress_class if annotation is not None else config.watch_ingress_without_class


def _class_of(thing: Object) -> Any:
    return at(thing, "spec", "ingressClassName")


def _ordered(things: Sequence[Object]) -> Iterator[Object]:
    """Older ones first; of the same age the last one by namespace and name."""
    by_age = sorted(things, key=_age)
    for _, group in groupby(by_age, key=_age):
        yield from sorted(group, key=key_of, reverse=True)


def _age(thing: Object) -> str:
    return text(thing, "metadata", "creationTimestamp")


def _fault(config: KubernetesIngressNGINXConfig, ingress: Ingress) -> str:
    """Why nothing of it is served; "" if it is."""
    snippets = [name for name in _SNIPPETS if ingress.annotations.text(name)]
    if snippets and not config.allow_snippet_annotations:
        return f"is not served: snippets are not allowed ({', '.join(snippets)}); set allowSnippetAnnotations"
    if config.strict_validate_path_type:
        for rule in ingress.rules:
            for path in rule.paths:
                if path.path and path.kind != ANY and not _PLAIN_PATH.fullmatch(path.path):
                    return (
                        f"is not served: path {path.path} of type {path.kind} has characters of expressions;"
                        f" make it {ANY}, or set strictValidatePathType to false"
                    )
    return ""
