"""From what is known of a cluster to a document: the steps, in order (kubernetes.md §5). Pure."""

from collections.abc import Callable, Mapping, Sequence

from pointsman.errors import Problem
from pointsman_kubernetes.backends import Address, Unservable
from pointsman_kubernetes.nginx.canaries import Canary, Key, canaries, key_of_path
from pointsman_kubernetes.nginx.config import PATH, KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.document import DEFAULT, LAST, Document
from pointsman_kubernetes.nginx.endpoints import Endpoints
from pointsman_kubernetes.nginx.headers import allowed_names
from pointsman_kubernetes.nginx.ingress import Ingress, Path, Rule, Target
from pointsman_kubernetes.nginx.locations import Location, Parts
from pointsman_kubernetes.nginx.naming import Names
from pointsman_kubernetes.nginx.redirects import app_root
from pointsman_kubernetes.nginx.references import References
from pointsman_kubernetes.nginx.selection import selected
from pointsman_kubernetes.nginx.survey import Survey
from pointsman_kubernetes.nginx.tls import strictest
from pointsman_kubernetes.objects import Objects


class Build:
    """One look at the cluster; after it `document`, `problems` and `ingresses`, all that were looked at."""

    def __init__(
        self,
        config: KubernetesIngressNGINXConfig,
        objects: Objects,
        watched: Callable[[str], bool],
        plaintext: Sequence[str],
        secured: Sequence[str],
    ) -> None:
        self._config = config
        self._endpoints = Endpoints(config, objects)
        self._references = References(config, objects)
        self._allowed = allowed_names(config)
        self._services = Names()
        self._routers = Names()
        self.ingresses, faults = selected(config, objects, watched)
        main = [each for each in self.ingresses if not each.annotations.flag("canary")]
        others = [each for each in self.ingresses if each.annotations.flag("canary")]
        self._survey = Survey(main)
        self._canaries: Mapping[Key, Canary] = canaries(others, self._survey.production, self._endpoints)
        self._document = Document(config, self._endpoints, self._survey.hosts, plaintext, secured)
        self._locations: list[Location] = []
        self._catches_all = False
        problems = [*faults, *self._default_backend()]
        for ingress in main:
            self._read(ingress)
        self._trust()
        unrooted = self._survey.hosts - self._survey.rooted
        for location in self._locations:
            self._document.serve(location, unrooted)
            location.ingress.served = True
        for ingress in self.ingresses:
            said, loud = ingress.annotations.problems()
            if said:
                ingress.tell(said, loud=loud)
            problems += ingress.problems
        self.problems: Sequence[Problem] = problems
        self.document = self._document.data()

    def _default_backend(self) -> list[Problem]:
        namespace, _, name = self._config.default_backend_service.partition("/")
        if not name:
            return []
        try:
            addresses = self._endpoints.alone(namespace, Target(name))
        except Unservable as error:
            return [Problem(f"{PATH}.defaultBackendService", str(error), warning=True)]
        self._document.default_backend(addresses, namespace, Target(name))
        self._catches_all = True
        return []

    def _read(self, ingress: Ingress) -> None:
        if ingress.annotations.flag("ssl-passthrough"):
            for rule in ingress.rules:
                self._passthrough(ingress, rule)
        for secret in filter(None, dict.fromkeys(ingress.tls)):
            if found := self._references.certificate(ingress, secret):
                self._document.certificate(f"{ingress.namespace}/{secret}", *found)
        parts = Parts(ingress, self._config, self._references, self._allowed)
        aliases = self._survey.aliases(ingress)
        for rule in ingress.rules:
            for path in rule.paths:
                self._locations.append(self._location(parts, rule, path, aliases))
        if ingress.default is not None:
            self._fallbacks(parts, ingress.default, aliases)

    def _passthrough(self, ingress: Ingress, rule: Rule) -> None:
        root = next((path.target for path in rule.paths if path.path == "/"), ingress.default if rule.bare else None)
        if not rule.host:
            ingress.tell("ssl-passthrough: needs a host; a rule has none")
        elif root is None:
            ingress.tell(f"ssl-passthrough: host {rule.host} needs a path /, whose service gets the connections")
        else:
            try:
                addresses = self._endpoints.of(ingress.namespace, root, ingress.annotations)
            except Unservable as error:
                ingress.tell(f"ssl-passthrough: {error}")
            else:
                self._document.passthrough(ingress, rule.host, root, addresses)
                ingress.served = True

    def _location(self, parts: Parts, rule: Rule, path: Path, aliases: Sequence[str]) -> Location:
        ingress = parts.ingress
        canary = self._canaries.get(key_of_path(ingress, rule.host, path))
        if self._survey.production[key_of_path(ingress, rule.host, path)][0] is not ingress:
            canary = None
        own = app_root(ingress.annotations)
        inherited = self._survey.app_roots.get(rule.host, "") if path.path in ("", "/") else ""
        location = Location(
            parts,
            rule.host,
            path.target,
            f"{ingress.prefix}-rule-{rule.index}-path-{path.index}",
            self._services.of(f"{ingress.prefix}-{path.target.said}", ingress.key, path.target, canary),
            self._addresses(ingress, path.target),
            path.path,
            path.kind,
            app_root=own or inherited,
            of_server=self._survey.snippets.get(rule.host, ""),
            aliases=aliases,
            canary=canary,
        )
        return location.ruled(regex=rule.host in self._survey.expressions)

    def _addresses(self, ingress: Ingress, target: Target) -> Sequence[Address]:
        try:
            return self._endpoints.of(ingress.namespace, target, ingress.annotations)
        except Unservable as error:
            ingress.tell(f"answers 503 where it should reach {target.service}: {error}")
            return ()

    def _fallbacks(self, parts: Parts, target: Target, aliases: Sequence[str]) -> None:
        """Its default backend: for all else on its hosts, or, if it has no rules, for all that nobody serves."""
        ingress = parts.ingress
        addresses = self._addresses(ingress, target)
        if not ingress.rules:
            if not self._catches_all:
                own = app_root(ingress.annotations)
                self._locations.append(Location(parts, "", target, DEFAULT, DEFAULT, addresses, priority=LAST, app_root=own))
                self._catches_all = True
            else:
                ingress.tell("its default backend has no effect: another one is there already")
            return
        wanted = f"{ingress.prefix}-{DEFAULT}"
        for host in dict.fromkeys(rule.host for rule in ingress.rules):
            location = Location(
                parts,
                host,
                target,
                self._routers.of(wanted, ingress.key, host),
                self._services.of(wanted, ingress.key),
                addresses,
                app_root=app_root(ingress.annotations) or self._survey.app_roots.get(host, ""),
                of_server=self._survey.snippets.get(host, ""),
                aliases=aliases,
            )
            self._locations.append(location.ruled(regex=False))

    def _trust(self) -> None:
        """What is asked of clients belongs to a host, so all there gets it; who asks for something else is closed."""
        by_host: dict[str, list[Location]] = {}
        for location in self._locations:
            by_host.setdefault(location.host, []).append(location)
        for host, locations in by_host.items():
            wanted = [location.parts.check for location in locations if location.parts.check]
            check = strictest(wanted)
            for location in locations:
                location.check = check
                own = location.parts.check
                if own and check and (not host or own.authority != check.authority):
                    location.untrusted = True
                    why = "other Ingresses of the host have another one" if host else "it needs a host"
                    location.ingress.tell(f"auth-tls-secret: answers 503 on TLS connections: {why}", loud=True)
                elif own and check and own.name != check.name:
                    location.ingress.tell(
                        f"auth-tls-verify-client: another Ingress of host {host} is stricter, which counts"
                    )
