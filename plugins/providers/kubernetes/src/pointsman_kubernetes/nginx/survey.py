"""What is to be known of all Ingresses before the first becomes routers: hosts that several of them share. Pure."""

from collections.abc import Iterable, Sequence

from pointsman_kubernetes.nginx.canaries import Key, key_of_path
from pointsman_kubernetes.nginx.ingress import Ingress, Target
from pointsman_kubernetes.nginx.redirects import app_root


class Survey:
    """Of the Ingresses that are no canaries, in their order: who comes first has it."""

    def __init__(self, ingresses: Iterable[Ingress]) -> None:
        self.hosts: set[str] = set()
        self.expressions: set[str] = set()
        """Hosts whose paths are regular expressions."""
        self.rooted: set[str] = set()
        """Hosts where something serves `/`."""
        self.snippets: dict[str, str] = {}
        self.app_roots: dict[str, str] = {}
        self.production: dict[Key, tuple[Ingress, Target]] = {}
        self._claims: dict[str, Ingress] = {}
        for ingress in ingresses:
            self._look(ingress)

    def _look(self, ingress: Ingress) -> None:
        notes = ingress.annotations
        snippet, root = notes.text("server-snippet"), app_root(notes)
        expressions = notes.flag("use-regex") or notes.text("rewrite-target") != ""
        for alias in notes.list("server-alias") or ():
            self._claims.setdefault(alias.lower(), ingress)
        for rule in ingress.rules:
            self.hosts.add(rule.host)
            if expressions:
                self.expressions.add(rule.host)
            if snippet:
                self.snippets.setdefault(rule.host, snippet)
            if root:
                self.app_roots.setdefault(rule.host, root)
            if ingress.default or any(path.path in ("", "/") for path in rule.paths):
                self.rooted.add(rule.host)
            for path in rule.paths:
                self.production[key_of_path(ingress, rule.host, path)] = ingress, path.target

    def aliases(self, ingress: Ingress) -> Sequence[str]:
        """The other names of the Ingress's hosts: those that are no hosts themselves, and that nobody claimed before."""
        found = []
        for alias in dict.fromkeys(ingress.annotations.list("server-alias") or ()):
            name = alias.lower()
            if name in self.hosts:
                ingress.tell(f"server-alias: {alias} is a host of its own")
            elif self._claims[name] is not ingress:
                ingress.tell(f"server-alias: {alias} is taken by ingress {self._claims[name].key}, which is older")
            elif alias:
                found.append(alias)
        return found
