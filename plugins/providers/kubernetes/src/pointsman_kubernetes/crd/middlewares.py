"""Middlewares and MiddlewareTCPs (kubernetes.md §3.7): what they say of Secrets, Services and each other, in plain options.

All else goes on as it is, and is judged by the plugin that brings the kind. Nobody names a file of the gateway this way, nor
what is in another namespace. A Middleware that cannot be built is left out, which closes the routers that use it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pointsman.dialect.lookups import text
from pointsman.errors import Problem
from pointsman_kubernetes.crd.fields import boolean, items, string, take
from pointsman_kubernetes.crd.materials import authority, certificate, login, resolved, users
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.fitting import Check
from pointsman_kubernetes.kinds import MIDDLEWARE, MIDDLEWARE_TCP, Kind
from pointsman_kubernetes.objects import Object
from pointsman_kubernetes.secrets import Unusable

Options = Mapping[str, Any]
_TLS: Final = {"caSecret": string, "certSecret": string, "insecureSkipVerify": boolean, "caOptional": boolean}


def http(view: View, check: Check) -> tuple[dict[str, Any], list[Problem]]:
    """`http.middlewares`. Services of error pages go to those of the view."""
    return _all(view, MIDDLEWARE, "http", check)


def tcp(view: View, check: Check) -> tuple[dict[str, Any], list[Problem]]:
    """`tcp.middlewares`."""
    return _all(view, MIDDLEWARE_TCP, "tcp", check)


def _all(view: View, kind: Kind, section: str, check: Check) -> tuple[dict[str, Any], list[Problem]]:
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, thing in view.references.own(kind):
        owner = Owner.of(kind, thing)
        mapper = _Mapper(view, owner)
        try:
            middleware = mapper.middleware(thing)
            _fit(check({section: {"middlewares": {name: middleware}}}), f"{section}.middlewares.{name}.", mapper)
            found[name] = middleware
        except (Refused, Unusable) as error:
            problems.append(owner.problem(f"is left out, and closes the routers that use it: {error}"))
    return found, problems


def _fit(problems: Sequence[Problem], prefix: str, mapper: "_Mapper") -> None:
    """Refused for what would refuse the whole document. Texts of Secrets that plugins ask for may be in messages."""
    for problem in problems:
        if not problem.warning:
            said = "does not fit; it may hold a Secret, so the value is not shown" if mapper.told else problem.message
            raise Refused(f"{problem.path.removeprefix(prefix)}: {said}")


class _Mapper:
    """Maps one object."""

    def __init__(self, view: View, owner: Owner) -> None:
        self._view = view
        self._owner = owner
        self.told = False
        """Whether a plugin is told what a Secret holds."""

    def middleware(self, thing: Object) -> dict[str, Any]:
        """As the document has it: its kinds, of which there should be one. Refused or Unusable if it cannot be built."""
        spec = thing.get("spec")
        if spec is None:
            return {}
        if not isinstance(spec, Mapping):
            raise Refused("spec: must be an object")
        kinds = {kind: self._kind(kind, options) for kind, options in spec.items() if options is not None}
        if len(kinds) == 1 and not any(kinds.values()):
            return {"plugin": kinds}  # nothing is a block here, too: `stripPrefix: {}`
        return kinds

    def _kind(self, kind: str, options: Any) -> Any:
        own = _OWN.get(kind.lower()) if self._owner.kind is MIDDLEWARE else None
        if own is None and kind.lower() != "plugin":
            return options
        if not isinstance(options, Mapping):
            raise Refused(f"{kind}: must be an object")
        try:
            return own(self, options) if own is not None else self._plugin(options)
        except Refused as error:
            raise Refused(f"{kind}: {error}") from error

    def _plugin(self, options: Options) -> Any:
        """In-house middlewares, and those of whoever wrote a plugin: free, but for kinds that have a form of their own."""
        for name in options:
            if name.lower() in _OWN and self._owner.kind is MIDDLEWARE:
                raise Refused(f"write 'spec.{name}' instead of 'spec.plugin.{name}'")
        found = {name: resolved(self._view.objects, self._owner.namespace, each, name) for name, each in options.items()}
        self.told = found != options
        return found

    def _basic(self, options: Options) -> dict[str, Any]:
        return self._users(options, basic=True)

    def _digest(self, options: Options) -> dict[str, Any]:
        return self._users(options, basic=False)

    def _users(self, options: Options, *, basic: bool) -> dict[str, Any]:
        rest = _without(options, "secret", "users", "usersfile")
        if len(rest) + ("secret" in options) != len(options):
            raise Refused(
                "name a Secret that holds the users as 'secret'; 'users' and 'usersFile' are for files of the gateway"
            )
        name = string(options.get("secret"), "secret")
        return {**rest, "users": users(self._view.objects, self._owner.namespace, name, basic=basic)}

    def _forward_auth(self, options: Options) -> dict[str, Any]:
        if not text(options, "address"):
            raise Refused("address: is missing; give the URL of the server that is to be asked")
        return {**_without(options, "tls"), **self._tls(options)}

    def _rate_limit(self, options: Options) -> dict[str, Any]:
        redis = options.get("redis")
        if redis is None:
            return _without(options, "redis")
        if not isinstance(redis, Mapping):
            raise Refused("redis: must be an object")
        store = {**_without(redis, "secret", "tls"), **self._tls(redis)}
        if redis.get("secret") is not None:
            name = string(redis["secret"], "redis.secret")
            store.update(login(self._view.objects, self._owner.namespace, name))
        return {**_without(options, "redis"), "redis": store}

    def _tls(self, options: Options) -> dict[str, Any]:
        """The `tls` of what reaches a server of its own, if there is one."""
        if options.get("tls") is None:
            return {}
        tls = take(options["tls"], "tls", _TLS)
        objects, namespace = self._view.objects, self._owner.namespace
        if name := tls.pop("caSecret", ""):
            tls["ca"] = authority(objects, namespace, name)
        if name := tls.pop("certSecret", ""):
            shown = certificate(objects, namespace, name)
            tls["cert"], tls["key"] = shown["certFile"], shown["keyFile"]
        return {"tls": tls}

    def _errors(self, options: Options) -> dict[str, Any]:
        for pages in (value for name, value in options.items() if name.lower() == "pages"):
            for status, page in pages.items() if isinstance(pages, Mapping) else ():
                if isinstance(page, Mapping) and len(_without(page, "file")) != len(page):
                    raise Refused(f"pages.{status}: 'file' is for files of the gateway; write the page as 'body'")
        service = options.get("service")
        if service is None:
            return _without(options, "service")
        if not isinstance(service, Mapping):
            raise Refused("service: must be an object")
        called = self._view.names.error_page(self._owner.namespace, self._owner.name)
        return {**_without(options, "service"), "service": self._view.services.build(service, self._owner, called)}

    def _snippet(self, options: Options) -> dict[str, Any]:
        """Directives of nginx, which whoever may write objects has only if the operator says so, as with annotations."""
        if not self._view.config.allow_snippet_middlewares:
            raise Refused(
                "snippets are not allowed in custom resources; set 'allowSnippetMiddlewares' of providers.kubernetesCRD, or "
                "write the middleware in a file of the gateway and name it as <name>@file"
            )
        rest, questions = _without(options, "auth"), [value for name, value in options.items() if name.lower() == "auth"]
        if not questions or questions == [None]:
            return rest
        auth = questions[0]
        if len(questions) > 1 or not isinstance(auth, Mapping):
            raise Refused("auth: must be one object")
        return {**rest, "auth": {**_without(auth, "tls"), **self._tls(auth)}}

    def _pass_certificate(self, options: Options) -> dict[str, Any]:
        if len(rest := _without(options, "cafiles")) != len(options):
            raise Refused("'caFiles' is for files of the gateway; let 'clientAuth' of a TLSOption check certificates")
        return rest

    def _chain(self, options: Options) -> dict[str, Any]:
        members = items(options.get("middlewares"), "middlewares")
        names = [self._view.references.resolve(MIDDLEWARE, each, self._owner) for each in members]
        return {**_without(options, "middlewares"), "middlewares": names}


_OWN: Final[Mapping[str, Callable[[_Mapper, Options], dict[str, Any]]]] = {
    "basicauth": _Mapper._basic,
    "digestauth": _Mapper._digest,
    "forwardauth": _Mapper._forward_auth,
    "ratelimit": _Mapper._rate_limit,
    "errors": _Mapper._errors,
    "chain": _Mapper._chain,
    "snippet": _Mapper._snippet,
    "authtlspasscertificatetoupstream": _Mapper._pass_certificate,
}
"""Kinds, in lower case, whose options are others here than in a file."""


def _without(options: Options, *names: str) -> dict[str, Any]:
    """The options but those; the dialect reads names in any case, and so must this."""
    return {name: value for name, value in options.items() if name.lower() not in names}
