"""TLSOptions, TLSStores and certificates (kubernetes.md §3.9). Pure."""

from collections.abc import Iterator
from typing import Any, Final

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import boolean, string, strings, take
from pointsman_kubernetes.crd.materials import authority, certificate
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.fitting import CLOSED
from pointsman_kubernetes.kinds import INGRESS_ROUTE, INGRESS_ROUTE_TCP, TLS_OPTION, TLS_STORE, Kind
from pointsman_kubernetes.objects import Object, Objects, key_of, name_of, namespace_of
from pointsman_kubernetes.secrets import Unusable

DEFAULT: Final = "default"
DOMAIN: Final = {"main": string, "sans": strings}
_OPTIONS: Final = {
    "minVersion": string,
    "maxVersion": string,
    "cipherSuites": strings,
    "curvePreferences": strings,
    "clientAuth": fields.block({"secretNames": strings, "clientAuthType": string}),
    "sniStrict": boolean,
    "alpnProtocols": strings,
    "disableSessionTickets": boolean,
    "preferServerCipherSuites": boolean,
}
_STORE: Final = {
    "defaultCertificate": fields.block({"secretName": string}),
    "defaultGeneratedCert": fields.block({"resolver": string, "domain": fields.block(DOMAIN)}),
}


class Certificates:
    """`tls.certificates`: each Secret once, with all the stores that it is in."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._found: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, namespace: str, name: str, store: str = DEFAULT) -> None:
        """Serve this Secret's. Unusable if it holds no certificate with its key."""
        found = self._found.get((namespace, name))
        if found is None:
            found = self._found[namespace, name] = {**certificate(self._objects, namespace, name), "stores": []}
        if store not in found["stores"]:
            found["stores"].append(store)

    @property
    def section(self) -> list[dict[str, Any]]:
        """By namespace and name."""
        return [found for _, found in sorted(self._found.items())]


def certificates(view: View) -> tuple[list[dict[str, Any]], list[Problem]]:
    """`tls.certificates`: those of stores, and of routes. What cannot be served closes nothing."""
    found = Certificates(view.objects)
    problems: list[Problem] = []
    wanted = [
        (TLS_STORE, thing, text(each, "secretName"), name, "certificates")
        for name, thing in _stores(view)
        for each in blocks(thing, "spec", "certificates")
    ]
    for kind in (INGRESS_ROUTE, INGRESS_ROUTE_TCP):
        for thing in view.served(kind):
            tls = block(thing, "spec", "tls")
            if text(tls, "secretName") and tls.get("passthrough") is not True:
                wanted.append((kind, thing, text(tls, "secretName"), DEFAULT, "tls.secretName"))
    for kind, thing, secret, store, where in wanted:
        try:
            found.add(namespace_of(thing), secret, store)
        except Unusable as error:
            problems.append(Owner.of(kind, thing).problem(f"{where}: {error}"))
    return found.section, problems


def stores(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """`tls.stores`. One whose default certificate is missing is left out: the gateway's own is served instead."""
    found: dict[str, Any] = {}
    problems = _unused(view, TLS_STORE)
    for name, thing in _stores(view):
        owner = Owner.of(TLS_STORE, thing)
        try:
            store = take(thing.get("spec") or {}, "", _STORE)
            if shown := store.pop("defaultCertificate", None):
                store["defaultCertificate"] = certificate(view.objects, owner.namespace, shown.get("secretName", ""))
        except (Refused, Unusable) as error:
            problems.append(owner.problem(f"is left out: {error}"))
            continue
        if store:
            found[name] = store
    return found, problems


def _stores(view: View) -> Iterator[tuple[str, Object]]:
    yield from view.references.own(TLS_STORE)
    default = view.references.default(TLS_STORE)
    if default is not None:
        yield DEFAULT, default


def options(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """`tls.options`. One that lacks an authority for clients is left out, and closes the routers that use it."""
    found: dict[str, Any] = {}
    problems = _unused(view, TLS_OPTION)
    for name, thing in view.references.own(TLS_OPTION):
        try:
            found[name] = _option(view.objects, thing)
        except (Refused, Unusable) as error:
            message = f"is left out, and closes the routers that use it: {error}"
            problems.append(Owner.of(TLS_OPTION, thing).problem(message))
    default = view.references.default(TLS_OPTION)
    if view.objects.hides(TLS_OPTION):
        found[DEFAULT] = CLOSED
        message = "may have a default one that asks clients for certificates: routers with TLS that name no other are closed"
        problems.append(Problem(TLS_OPTION.resource, f"cannot be read, and {message}", warning=True, loud=True))
    elif default is not None:
        try:
            found[DEFAULT] = _option(view.objects, default)
        except (Refused, Unusable) as error:
            found[DEFAULT] = CLOSED
            message = f"is the default one, and closes the routers with TLS that name no other: {error}"
            problems.append(Owner.of(TLS_OPTION, default).problem(message))
    elif _is_dispute_of_clients(view):
        found[DEFAULT] = CLOSED
    return found, problems


def _option(objects: Objects, thing: Object) -> dict[str, Any]:
    option = take(thing.get("spec") or {}, "", _OPTIONS)
    clients = option.pop("clientAuth", {})
    names = clients.pop("secretNames", [])
    if names:
        clients["caFiles"] = [authority(objects, namespace_of(thing), name) for name in names]
    return {"minVersion": "", **option, **({"clientAuth": clients} if clients else {})}


def _called_default(view: View, kind: Kind) -> list[Object]:
    return [thing for thing in view.objects.all(kind) if name_of(thing) == DEFAULT]


def _is_dispute_of_clients(view: View) -> bool:
    """Whether there are several default options, one of which asks clients for certificates: built-in ones would not."""
    there = _called_default(view, TLS_OPTION)
    disputed = len(there) > 1 and not view.config.default_tls_resources_namespace
    return disputed and any(at(thing, "spec", "clientAuth") for thing in there)


def _unused(view: View, kind: Kind) -> list[Problem]:
    """The objects called `default` that are not the default."""
    there, used = _called_default(view, kind), view.references.default(kind)
    allowed = view.config.default_tls_resources_namespace
    problems = []
    for thing in there:
        if thing is used:
            continue
        if allowed:
            message = f"is not used: defaultTLSResourcesNamespace lets only {allowed!r} have a default one"
        else:
            others = ", ".join(key_of(other) for other in there if other is not thing)
            message = f"is not used: {others} is called so, too; keep one of them, or set defaultTLSResourcesNamespace"
            if kind is TLS_OPTION and _is_dispute_of_clients(view):
                message += "; routers with TLS that name no other are closed, for one of them asks clients for certificates"
        problems.append(Owner.of(kind, thing).problem(message))
    return problems
