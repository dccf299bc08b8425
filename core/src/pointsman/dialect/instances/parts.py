"""What one instance adds to the document: what its labels say, and what they leave to be made (providers.md §3.5)."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.gotemplate import TemplateError
from pointsman.dialect.instances.defaultrule import DefaultRule
from pointsman.dialect.instances.instance import Address, Instance
from pointsman.dialect.instances.servers import MakeServer, http_server, tcp_server, udp_server
from pointsman.errors import Problem

Element = tuple[str, str, Any]
"""Section, name, and the element in the dialect's spelling."""
Named = dict[str, Any]

_SERVERS: Final[Mapping[str, MakeServer]] = {"http": http_server, "tcp": tcp_server, "udp": udp_server}


@frozen
class Part:
    elements: tuple[Element, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    """What is no mistake, for the log."""

    @property
    def document(self) -> dict[str, Any]:
        """Its elements as a document of their own; only sections that it has."""
        document: dict[str, Any] = {}
        for section, name, element in self.elements:
            root, _, key = section.partition(".")
            document.setdefault(root, {}).setdefault(key, {})[name] = element
        return document


def part_of(instance: Instance, document: Mapping[str, Any], rule: DefaultRule, address: Address) -> Part:
    """What an instance with this document of its labels adds; only a problem if it has no address where it needs one."""
    maker = _Maker(instance, document, rule, address)
    try:
        maker.make()
    except ValueError as error:
        return Part(problems=(Problem(instance.key, f"{error}; it is left out"),))
    return Part(tuple(maker.elements), tuple(maker.problems), tuple(maker.notes))


class _Dropped(Exception):
    """Why a router is left out."""


class _Maker:
    def __init__(self, instance: Instance, document: Mapping[str, Any], rule: DefaultRule, address: Address) -> None:
        self._instance = instance
        self._document = document
        self._rule = rule
        self._address = address
        self.elements: list[Element] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def make(self) -> None:
        """ValueError if the instance cannot be used."""
        others = False
        for protocol in ("tcp", "udp"):
            routers = self._said(protocol, "routers")
            if routers or self._said(protocol, "services"):
                others = True
                self._add_protocol(protocol, routers)
        if not others or any(self._said("http", key) for key in ("routers", "services", "middlewares")):
            routers = self._said("http", "routers")
            if not routers and len(self._said("http", "services")) > 1:
                self.notes.append(f"{self._instance.key}: could not create a router: too many services")
            else:
                routers = routers or {self._instance.name: {}}
            self._add_protocol("http", routers)
        for section in ("http.middlewares", "tcp.middlewares", "tls.stores"):
            self._add(section, self._said(*section.split(".")))

    def _said(self, protocol: str, key: str) -> Named:
        return (self._document.get(protocol) or {}).get(key) or {}

    def _add(self, section: str, elements: Named) -> None:
        self.elements += ((section, name, element) for name, element in elements.items())

    def _add_protocol(self, protocol: str, routers: Named) -> None:
        services = self._said(protocol, "services") or {self._instance.name: {"loadBalancer": {}}}
        self._add(f"{protocol}.services", {name: self._service(protocol, name, raw) for name, raw in services.items()})
        for name, router in routers.items():
            try:
                self.elements.append((f"{protocol}.routers", name, self._router(protocol, name, dict(router), services)))
            except _Dropped as reason:
                self.problems.append(Problem(f"{self._instance.key}: {protocol}.routers.{name}", str(reason)))

    def _service(self, protocol: str, name: str, service: Mapping[str, Any]) -> Named:
        if service.get("loadBalancer") is None:
            raise ValueError(f"service '{name}' error: load-balancer is not defined")
        balancer = dict(service["loadBalancer"])
        block = balancer.pop("server", None) or {}
        try:
            servers = [] if self._instance.empty else [_SERVERS[protocol](block, self._instance, self._address)]
        except ValueError as error:
            raise ValueError(f"service '{name}' error: {error}") from None
        if self._instance.transport and protocol != "udp":
            balancer["serversTransport"] = self._instance.transport
        return {**service, "loadBalancer": {**balancer, "servers": servers}}

    def _router(self, protocol: str, name: str, router: Named, services: Named) -> Named:
        """The router with a rule and a service. _Dropped if there is none for it."""
        if protocol != "udp" and not router.get("rule"):
            if protocol == "tcp":
                raise _Dropped("Empty rule; TCP routers have no default rule, so give it one")
            try:
                router["rule"] = self._rule.of(self._instance)
            except TemplateError as error:
                raise _Dropped(f"Error while parsing default rule: {error}") from None
            if not router["rule"].strip():
                raise _Dropped("Undefined rule; the default rule gives no text for it")
            router["loopGuard"] = True
        if not router.get("service"):
            if len(services) > 1:
                message = (
                    f"Router {name} cannot be linked automatically with multiple Services: {', '.join(sorted(services))}"
                )
                raise _Dropped(f"{message}; say which one by its 'service'")
            router["service"] = next(iter(services))
        return router
