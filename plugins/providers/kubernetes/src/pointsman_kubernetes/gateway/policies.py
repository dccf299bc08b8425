"""BackendTLSPolicies: TLS to servers, and whom to trust there (§4.6). Pure.

Whoever has a policy is never spoken to otherwise: without a CA that can be used its requests are errors.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from attrs import field, frozen
from cryptography.x509 import load_pem_x509_certificates

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.backends import Backend
from pointsman_kubernetes.gateway.attach import Attachment
from pointsman_kubernetes.gateway.draft import Draft, Refused
from pointsman_kubernetes.gateway.listeners import Gateway
from pointsman_kubernetes.gateway.statuses import CONTROLLER, Condition, condition, settled
from pointsman_kubernetes.kinds import BACKEND_TLS_POLICY, CONFIG_MAP, GATEWAY
from pointsman_kubernetes.objects import Object, born, key_of, name_of, namespace_of
from pointsman_kubernetes.outcome import StatusUpdate
from pointsman_kubernetes.secrets import Unusable, held, secret

_MOST_ANCESTORS: Final = 16
_AUTHORITY: Final = "ca.crt"
_NAMES: Final = {"Hostname": ("DNSName", "hostname"), "URI": ("URI", "uri")}


@frozen(eq=False)
class _Policy:
    """A policy as it was understood."""

    object: Object
    accepted: Condition
    resolved: Condition
    transport: Mapping[str, Any] | None = field(repr=False)
    """A serversTransport; None if it cannot be used."""


class Policies:
    """Those of a cluster. Tells the draft what they want, and hears from it which of them count where."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._targets: dict[tuple[str, str], list[tuple[str, _Policy]]] = {}
        """By namespace and name of the Service: the port's name, "" for all, and the policy; the oldest first."""
        self._ancestors: dict[str, dict[str, tuple[Gateway, Condition, Condition]]] = {}
        """By policy and Gateway."""
        for thing in sorted(draft.objects.all(BACKEND_TLS_POLICY), key=born):
            policy = self._read(thing)
            for target in blocks(thing, "spec", "targetRefs"):
                if text(target, "group") in ("", "core") and text(target, "kind") == "Service":
                    key = namespace_of(thing), text(target, "name")
                    self._targets.setdefault(key, []).append((text(target, "sectionName"), policy))
        draft.secure = self._secure
        if draft.objects.hides(BACKEND_TLS_POLICY):
            message = (
                "cannot be read, so backends that have one are spoken to as if they had none; grant get, list and watch"
            )
            draft.problems.append(Problem(BACKEND_TLS_POLICY.resource, message, warning=True, loud=True))

    def _secure(self, attachment: Attachment, backend: Backend) -> Mapping[str, Any] | None:
        port = text(backend.port, "name")
        targets = self._targets.get((namespace_of(backend.service), name_of(backend.service)), ())
        fitting = sorted((each for each in targets if each[0] in ("", port)), key=lambda each: not each[0])
        if not fitting:
            return None
        section, first = fitting[0]
        self._count(attachment, first, first.accepted)
        for other, policy in fitting[1:]:
            if other == section and policy is not first:
                message = f"{key_of(first.object)}, which is older, is for the same Service"
                self._count(attachment, policy, condition(policy.object, "Accepted", False, "Conflicted", message))
        if first.transport is None:
            raise Refused(
                "RefNotPermitted",
                f"backendRef Service {key_of(backend.service)}: its BackendTLSPolicy {name_of(first.object)} cannot be used",
            )
        return first.transport

    def _count(self, attachment: Attachment, policy: _Policy, accepted: Condition) -> None:
        """What counts for the Gateways of a route. That there is another policy is told in any case."""
        told = self._ancestors.setdefault(key_of(policy.object), {})
        for place in attachment.places:
            key = key_of(place.gateway.object)
            if key not in told or accepted["reason"] == "Conflicted":
                told[key] = place.gateway, accepted, policy.resolved

    def tell(self) -> None:
        """The statuses of all policies, once all routes are known."""
        for thing in self._draft.objects.all(BACKEND_TLS_POLICY):
            before = blocks(thing, "status", "ancestors")
            keep = [dict(each) for each in before if not self._is_ours(thing, each)]
            told = self._ancestors.get(key_of(thing), {})
            ours = [_ancestor(thing, *told[key]) for key in sorted(told)]
            if ours or len(keep) < len(before):
                status = {"ancestors": [*keep, *ours][:_MOST_ANCESTORS]}
                self._draft.statuses.append(StatusUpdate(BACKEND_TLS_POLICY, thing, status))
            conditions = [each for _, *both in told.values() for each in both if each["status"] == "False"]
            for message in dict.fromkeys(f"{each['reason']}: {each['message']}" for each in conditions):
                self._draft.complain(BACKEND_TLS_POLICY, thing, message)

    def _is_ours(self, thing: Object, ancestor: Mapping[str, Any]) -> bool:
        ref = at(ancestor, "ancestorRef")
        namespace = text(ref, "namespace") or namespace_of(thing)
        return text(ancestor, "controllerName") == CONTROLLER and self._draft.config.serves(namespace, text(ref, "name"))

    def _read(self, thing: Object) -> _Policy:
        validation = block(thing, "spec", "validation")
        resolved = condition(thing, "ResolvedRefs", True, "ResolvedRefs")
        authorities = []
        for ref in blocks(validation, "caCertificateRefs"):
            try:
                authorities.append(self._authority(namespace_of(thing), ref))
            except Refused as error:
                resolved = condition(thing, "ResolvedRefs", False, error.reason, error.message)
        try:
            transport = _transport(validation, authorities)
        except Refused as error:
            return _Policy(thing, condition(thing, "Accepted", False, error.reason, error.message), resolved, None)
        return _Policy(thing, condition(thing, "Accepted", True, "Accepted"), resolved, transport)

    def _authority(self, namespace: str, ref: Mapping[str, Any]) -> str:
        """The certificates of a CA, as PEM text."""
        group, kind, name = text(ref, "group"), text(ref, "kind"), text(ref, "name")
        shown = f"{kind} {namespace}/{name}"
        if group not in ("", "core") or kind not in ("ConfigMap", "Secret"):
            raise Refused("InvalidKind", f"caCertificateRefs: a {group}/{kind} is neither a ConfigMap nor a Secret")
        try:
            if kind == "Secret":
                found = held(secret(self._draft.objects, namespace, name), _AUTHORITY) or ""
            else:
                found = text(self._draft.objects.get(CONFIG_MAP, name, namespace), "data", _AUTHORITY)
        except Unusable as error:
            raise Refused("InvalidCACertificateRef", f"caCertificateRefs: {error}") from None
        if not _holds_certificates(found):
            raise Refused("InvalidCACertificateRef", f"caCertificateRefs: {shown} holds no certificate in {_AUTHORITY}")
        return found


def _transport(validation: Mapping[str, Any], authorities: list[str]) -> Mapping[str, Any]:
    """The serversTransport. Refused if it would verify nothing, or something else than is asked for."""
    hostname, known = text(validation, "hostname"), at(validation, "wellKnownCACertificates")
    if not hostname:
        raise Refused("Invalid", "validation.hostname is missing")
    if not authorities:
        if blocks(validation, "caCertificateRefs") or known is None:
            raise Refused("NoValidCACertificate", "No certificate of a CA is to be had; see caCertificateRefs")
        if known != "System":
            raise Refused("Invalid", f"validation.wellKnownCACertificates: {known!r} is not System")
    transport: dict[str, Any] = {"serverName": hostname}
    if authorities:
        transport["rootCAs"] = authorities
    names = list(_names(validation))
    if names:
        transport |= {"insecureSkipVerify": True, "peerCertSANs": names}  # in place of `hostname`; the chain is verified
    return transport


def _names(validation: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    found = at(validation, "subjectAltNames")
    for each in found if isinstance(found, list) else ():
        kind, key = _NAMES.get(text(each, "type"), ("", ""))
        if not kind or not text(each, key):
            raise Refused("Invalid", "validation.subjectAltNames: each has a hostname, or a uri, as its type says")
        yield {"type": kind, "value": text(each, key)}


@lru_cache(1024)
def _holds_certificates(found: str) -> bool:
    try:
        return bool(load_pem_x509_certificates(found.encode()))
    except ValueError:
        return False


def _ancestor(thing: Object, gateway: Gateway, accepted: Condition, resolved: Condition) -> dict[str, Any]:
    ref = {"group": GATEWAY.group, "kind": GATEWAY.name, "namespace": gateway.namespace, "name": gateway.name}
    before = next((each for each in blocks(thing, "status", "ancestors") if at(each, "ancestorRef") == ref), {})
    conditions = settled([accepted, resolved], at(before, "conditions"))
    return {"ancestorRef": ref, "controllerName": CONTROLLER, "conditions": conditions}
