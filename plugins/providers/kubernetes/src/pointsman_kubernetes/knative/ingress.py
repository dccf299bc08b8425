"""One Ingress of Knative: rules with paths, and the splits that share out their requests. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.dialect.lookups import at, block, blocks, text, texts
from pointsman.errors import Problem
from pointsman_kubernetes.backends import Allowed, Unservable, find
from pointsman_kubernetes.knative.config import KnativeConfig
from pointsman_kubernetes.names import quoted
from pointsman_kubernetes.objects import Object, Objects, key_of, name_of, namespace_of
from pointsman_kubernetes.secrets import Unusable, pair

_H2C = "kubernetes.io/h2c"
_LOCAL = "ClusterLocal"


class Ingress:
    """What one Ingress comes to: after `read`, what `sections` of a document get, its `certificates` and `problems`."""

    def __init__(self, thing: Object, config: KnativeConfig, objects: Objects) -> None:
        self._thing = thing
        self._config = config
        self._objects = objects
        self._namespace = namespace_of(thing)
        self._secured = bool(blocks(thing, "spec", "tls"))
        self._redirected = text(thing, "spec", "httpOption") == "Redirected"
        self.sections: dict[str, dict[str, Any]] = {"routers": {}, "services": {}, "middlewares": {}}
        self.certificates: dict[str, Any] = {}
        """By namespace and name of the Secret."""
        self.problems: list[Problem] = []

    def read(self) -> None:
        for block_of_tls in blocks(self._thing, "spec", "tls"):
            self._certificate(block_of_tls)
        for number, rule in enumerate(_items(self._thing, "spec", "rules")):
            name = f"{self._namespace}-{name_of(self._thing)}-rule-{number}"
            if not all(isinstance(host, str) for host in _items(rule, "hosts")):
                self._tell(f"rule {name}: its hosts are not all text, so it is left out")
            elif text(rule, "visibility") != _LOCAL:
                self._rule(name, self._config.public_entrypoints, rule)
            elif self._config.private_entrypoints:
                self._rule(name, self._config.private_entrypoints, rule)

    def refuse(self, why: str) -> None:
        """Nothing of it counts."""
        self.sections = {"routers": {}, "services": {}, "middlewares": {}}
        self.certificates = {}
        self._tell(why)

    def _tell(self, message: str) -> None:
        self.problems.append(Problem(f"knative ingress {key_of(self._thing)}", message, warning=True))

    def _rule(self, name: str, points: tuple[str, ...], rule: Any) -> None:
        redirected = self._secured and self._redirected and text(rule, "visibility") != _LOCAL
        for position, path in enumerate(_items(rule, "http", "paths")):
            self._path(f"{name}-path-{position}", points, _text_of_rule(rule, path), path, redirected)

    def _path(self, name: str, points: tuple[str, ...], rule: str, path: Any, redirected: bool) -> None:
        middlewares = dict(_middlewares(name, path))
        router: dict[str, Any] = {"rule": rule, "service": f"{name}-wrr"}
        if points:
            router["entryPoints"] = list(points)
        if middlewares:
            router["middlewares"] = list(middlewares)
        routers = self.sections["routers"]
        routers[name] = router
        if self._secured:
            routers[f"{name}-tls"] = {**router, "tls": {}}
        if redirected:
            routers[name] = {**router, "middlewares": [f"{name}-redirect"]}
            middlewares[f"{name}-redirect"] = {"redirectScheme": {"scheme": "https", "permanent": True}}
        self.sections["middlewares"] |= middlewares
        self._splits(name, _items(path, "splits"))

    def _splits(self, name: str, splits: list[Any]) -> None:
        """The service of a path: whoever a split without servers is chosen for gets 503, the others go on."""
        services, children = self.sections["services"], []
        for position, split in enumerate(splits):
            child: dict[str, Any] = {
                "name": f"{name}-split-{position}",
                "weight": 100 if len(splits) == 1 else _percent(split),
            }
            try:
                services[child["name"]] = self._service(split)
            except Unservable as error:
                self._tell(f"rule {name}: {error}")
                child["status"] = 503
            added = texts(split, "appendHeaders")
            children.append({**child, "headers": added} if added else child)
        services[f"{name}-wrr"] = {"weighted": {"services": children}}

    def _service(self, split: Any) -> dict[str, Any]:
        """A load balancer over the cluster IP. Unservable if there is none."""
        port = at(split, "servicePort")
        if isinstance(port, str) and port.isascii() and port.isdigit():
            port = int(port)
        namespace = text(split, "serviceNamespace") or self._namespace
        allowed = Allowed(external_names=self._config.allow_external_name_services)
        backend = find(self._objects, namespace, text(split, "serviceName"), port, allowed, native=True)
        scheme = "h2c" if text(backend.port, "appProtocol") == _H2C else "http"
        return {"loadBalancer": {"servers": backend.servers(scheme)}}

    def _certificate(self, asked: Mapping[str, Any]) -> None:
        name, namespace = text(asked, "secretName"), text(asked, "secretNamespace")
        if namespace != self._namespace:
            self._tell(f"tls: secret {namespace}/{name} is in another namespace; put it into that of the ingress")
            return
        try:
            certificate, key = pair(self._objects, namespace, name)
        except Unusable as error:
            self._tell(f"tls: {error}")
        else:
            self.certificates[f"{namespace}/{name}"] = {"certFile": certificate, "keyFile": key}


def _items(value: Any, *keys: str) -> list[Any]:
    found = at(value, *keys)
    return found if isinstance(found, list) else []


def _percent(split: Any) -> int:
    percent = at(split, "percent")
    return percent if isinstance(percent, int) and percent > 0 else 0


def _middlewares(name: str, path: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    added = texts(path, "appendHeaders")
    if added:
        yield f"{name}-append-headers", {"headers": {"customRequestHeaders": added}}
    if text(path, "rewriteHost"):
        yield f"{name}-rewrite-host", {"headers": {"customRequestHeaders": {"Host": text(path, "rewriteHost")}}}


def _text_of_rule(rule: Any, path: Any) -> str:
    """All hosts, all headers and the beginning of the path."""
    parts = []
    hosts = [f"Host({quoted(host)})" for host in _items(rule, "hosts")]
    if hosts:
        parts.append(f"({' || '.join(hosts)})")
    headers = sorted(block(path, "headers"))
    if headers:
        calls = (f"Header({quoted(name)},{quoted(text(path, 'headers', name, 'exact'))})" for name in headers)
        parts.append(f"({' && '.join(calls)})")
    if text(path, "path") or not parts:
        parts.append(f"PathPrefix({quoted(text(path, 'path') or '/')})")
    return " && ".join(parts)
