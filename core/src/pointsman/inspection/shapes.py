"""Elements as the API shows them: defaults filled in, empty options left out, secrets masked (operations.md §6.4)."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from pointsman.compile.parts import (
    MIDDLEWARES,
    ROUTERS,
    SERVICES,
    TCP_MIDDLEWARES,
    TCP_ROUTERS,
    TCP_SERVICES,
    UDP_ROUTERS,
    qualify,
)
from pointsman.config.dynamic import structure_element
from pointsman.config.entrypoint_model import EntryPoint, EntryPointObservability
from pointsman.config.http_model import RouterTLS
from pointsman.config.middlewares import Kinds, structure_middleware
from pointsman.config.plain import unstructure
from pointsman.config.static import Static
from pointsman.inspection.elements import Row
from pointsman.inspection.masking import masked
from pointsman.inspection.raw import option
from pointsman.upstream.sticky import cookie_name
from pointsman.values import shown_url

UP, DOWN = "UP", "DOWN"


@frozen
class Condition:
    """What is known of servers: by active checks, and by the workers' own judgement."""

    probed: Mapping[str, Mapping[str, bool]]
    """Service -> URL -> whether it is up; one of TCP by its path."""
    judged: Mapping[str, Mapping[str, tuple[int, int]]]
    """Service -> URL -> how many workers say that it is failing, and how many have ejected it."""
    workers: int

    def word(self, service: str, url: str) -> str:
        """Of a URL as it is shown: `DOWN` where active checks say so, or where no worker uses the server; else `UP`."""
        judged = max(self.judged.get(service, {}).get(url, (0, 0)))
        return UP if self.probed.get(service, {}).get(url, True) and judged < self.workers else DOWN


NOTHING_KNOWN = Condition({}, {}, 1)


class Shapes:
    """Prints elements of one static configuration."""

    def __init__(self, static: Static, middlewares: Kinds, tcp_middlewares: Kinds) -> None:
        self._points: Mapping[str, EntryPoint] = static.entry_points
        self._kinds = {MIDDLEWARES: middlewares, TCP_MIDDLEWARES: tcp_middlewares}

    def of(self, section: str, row: Row, condition: Condition = NOTHING_KNOWN) -> dict[str, Any]:
        """One element, whole."""
        definition = self._definition(section, row)
        if row.errors:
            definition["error"] = [shown_url(error) for error in row.errors]
        definition["status"] = row.status
        if row.using:
            definition["using"] = list(row.using)
        if row.used_by:
            definition["usedBy"] = row.used_by
        definition["name"] = row.name
        definition["provider"] = row.provider
        if row.kind:
            definition["type"] = row.kind
        if section in (ROUTERS, TCP_ROUTERS):
            definition["priorityStr"] = str(row.priority)
        if section in (SERVICES, TCP_SERVICES) and row.status != "disabled":
            definition |= _server_statuses(definition, row.name if section == SERVICES else row.path, condition)
        return definition

    def _definition(self, section: str, row: Row) -> dict[str, Any]:
        """As it is understood. What is not could hold a secret anywhere, so nothing is shown of it."""
        if row.raw is None:
            return {}
        if section in self._kinds:
            kind, config, _ = structure_middleware(row.raw, "", self._kinds[section])
            return {kind: masked(unstructure(config, omit_empty=True))} if config is not None else {}
        element, _ = structure_element(section, row.raw, "")
        if element is None:
            return self._router_basics(section, row) if section.endswith(".routers") else {}
        plain: dict[str, Any] = masked(unstructure(element, omit_empty=True))
        if section.endswith(".routers"):
            return self._router(section, row, plain)
        return _service(section, row, plain)

    def _router_basics(self, section: str, row: Row) -> dict[str, Any]:
        basics = {"entryPoints": list(row.entry_points), "rule": row.rule, "service": row.service, "priority": row.priority}
        return {key: value for key, value in basics.items() if value}

    def _router(self, section: str, row: Row, plain: dict[str, Any]) -> dict[str, Any]:
        model = self._points.get(row.model)
        for key, value in (
            ("entryPoints", list(row.entry_points)),
            ("middlewares", list(row.middlewares)),
            ("parentRefs", [qualify(parent, row.name) for parent in plain.get("parentRefs", ())]),
        ):
            if value:
                plain[key] = value
        if section == UDP_ROUTERS:
            return plain
        plain["priority"] = row.priority
        if section == TCP_ROUTERS:
            if "tls" in plain:
                plain["tls"].setdefault("passthrough", False)
            return plain
        if model is not None and "tls" not in plain and model.http.tls is not None:
            plain["tls"] = unstructure(model.http.tls, omit_empty=True)
        if "tls" in plain:
            plain["tls"].setdefault("options", RouterTLS().options or "default")
        if row.entry_points:
            chosen = plain.get("observability", {})
            written = option(row.raw, "observability") or {}
            inherited = unstructure(model.observability if model is not None else EntryPointObservability())
            for key in ("accessLogs", "metrics", "tracing"):
                if isinstance(own := option(written, key), bool):
                    chosen[key] = own
            plain["observability"] = {**inherited, **chosen}
        return plain


def _service(section: str, row: Row, plain: dict[str, Any]) -> dict[str, Any]:
    balancer = plain.get("loadBalancer")
    if balancer is not None:
        _load_balancer(section, row, balancer)
    composite = plain.get("weighted") or balancer or {}
    if isinstance(composite.get("sticky"), dict) and "cookie" in composite["sticky"]:
        element, _ = structure_element(section, row.raw, "")
        cookie = (element.weighted or element.load_balancer).sticky.cookie
        composite["sticky"]["cookie"]["name"] = cookie_name(cookie, row.name)
    if (mirroring := plain.get("mirroring")) is not None:
        mirroring.setdefault("mirrorBody", False)
    return plain


def _load_balancer(section: str, row: Row, balancer: dict[str, Any]) -> None:
    if transport := balancer.get("serversTransport"):
        balancer["serversTransport"] = qualify(transport, row.name)
    if section != SERVICES:
        return
    balancer.setdefault("passHostHeader", False)
    written = option(option(row.raw, "loadBalancer"), "servers")
    for server, raw in zip(balancer.get("servers", ()), written if isinstance(written, list) else (), strict=False):
        if option(raw, "weight") is None:
            server.pop("weight", None)
        else:
            server.setdefault("weight", 0)
    if not balancer.get("timeouts"):
        balancer.pop("timeouts", None)


def _server_statuses(shown: Mapping[str, Any], service: str, condition: Condition) -> dict[str, Any]:
    """UP or DOWN for each server. Down is what active checks say so of, and what no worker uses."""
    probed, judged = condition.probed.get(service, {}), condition.judged.get(service, {})
    statuses: dict[str, str] = {}
    details: dict[str, Any] = {}
    for server in shown.get("loadBalancer", {}).get("servers", ()):
        url = server.get("url") or server.get("address", "")
        failing, ejected = judged.get(url, (0, 0))
        up = probed.get(url, True)
        statuses[url] = condition.word(service, url)
        if not up or failing or ejected:
            details[url] = {"probes": UP if up else DOWN, "failing": failing, "ejected": ejected}
    told: dict[str, Any] = {"serverStatus": statuses} if statuses else {}
    return {**told, "serverDetails": details} if details else told


def entry_point(name: str, point: EntryPoint) -> dict[str, Any]:
    """The effective configuration of an entry point, and its name."""
    plain = unstructure(point, omit_empty=True)
    if point.observability == EntryPointObservability():
        del plain["observability"]
    return {**plain, "name": name}
