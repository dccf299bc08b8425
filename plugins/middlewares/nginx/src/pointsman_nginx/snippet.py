"""snippet: a subset of nginx's directives, and external authentication (middlewares.md §4).

The order is nginx's. First what runs: `set`, `if`, `rewrite` and `return` of the server snippet, of its location, of the
configuration snippet, of the question for authentication. Then `allow` and `deny`; then the question; then headers for
servers. Headers for clients are put into every answer, that of a `return` or a refusal, too.
"""

from collections.abc import Awaitable
from functools import partial
from typing import ClassVar, Final

from pointsman import BuildContext, Handler, Request, Response, amended, edited
from pointsman.dialect.variables import Scope, uri
from pointsman.errors import ConfigError
from pointsman_nginx.auth import Auth
from pointsman_nginx.config import SnippetConfig
from pointsman_nginx.directives import Directive, read, refused
from pointsman_nginx.levels import Compiler, Effective, Level, run, variables
from pointsman_nginx.places import Place, Places
from pointsman_nginx.requests import FRAMING, set_method

SERVER: Final = "serverSnippet"
LOCATION: Final = "configurationSnippet"
AUTH: Final = "auth.snippet"
MAX_KEPT: Final = 256
"""Combinations of levels that are remembered."""


class Snippet:
    name: ClassVar[str] = "snippet"
    span_name: ClassVar[str] = "Snippet"
    Config: ClassVar[type] = SnippetConfig

    def __init__(self, config: SnippetConfig, context: BuildContext) -> None:
        if not (config.server_snippet or config.configuration_snippet or config.auth is not None):
            raise ConfigError("at least one of serverSnippet, configurationSnippet or auth option must be provided")
        server = read(config.server_snippet, SERVER)
        location = read(config.configuration_snippet, LOCATION)
        question = read(config.auth.snippet, AUTH) if config.auth is not None else ()
        custom = variables((*server, *location, *question))
        compiler = Compiler(SERVER, custom)
        self._places = Places([_place(each, compiler) for each in server if each.name == "location"])
        self._server = compiler.level((each for each in server if each.name != "location"), "server")
        self._location = Compiler(LOCATION, custom).level(location, "location")
        self._question = Compiler(AUTH, custom).level(question, "location")
        self._auth = Auth(config.auth, custom, context) if config.auth is not None else None
        self._known: dict[tuple[int, ...], Effective] = {}
        for directive in _all((*server, *location, *question)):
            _warn(directive, context)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        scope = Scope(request)
        holding: list[Level] = []
        answer = run(self._server, scope, holding)
        place = self._places.at(uri(request)) if not isinstance(answer, Response) else None
        levels = [self._server, *holding]
        for level in (place, self._location):
            if level is None:
                continue
            holding = []
            if not isinstance(answer, Response):
                answer = run(level, scope, holding)
            levels += (level, *holding)
        said = self._effective(levels, place)
        for edit in said.input:
            edit(request, scope)
        said_to_auth: Effective | None = None
        if self._auth is not None and not isinstance(answer, Response):
            holding = []
            answer = run(self._question, scope, holding)
            said_to_auth = self._effective([self._question, *holding], None)
        if isinstance(answer, Response):
            return self._out(answer, said, scope)
        if not said.allows(request.client.ip):
            request.exchange.refuse("Forbidden")
            return self._out(Response.plain(403, b"403 Forbidden"), said, scope)
        if self._auth is None or said_to_auth is None:
            return self._go_on(request, scope, said, call_next)
        return self._ask(self._auth, request, scope, said, said_to_auth, call_next)

    def _ask(
        self, auth: Auth, request: Request, scope: Scope, said: Effective, said_to_auth: Effective, call_next: Handler
    ) -> Awaitable[Response]:
        went_on = False

        def go(answer: Response) -> Awaitable[Response]:
            nonlocal went_on
            went_on = True
            for setting in said.vouched:
                setting(scope)
            scope.upstream = None
            return self._go_on(request, scope, said, call_next)

        def edit(response: Response) -> None:
            if not went_on:
                said.edit(response, scope)

        asked = auth.ask(request, scope, said_to_auth, go)
        return edited(asked, edit) if said.edits_answers else asked

    def _go_on(self, request: Request, scope: Scope, said: Effective, call_next: Handler) -> Awaitable[Response]:
        for edit in said.told:
            edit(request, scope)
        if said.method is not None:
            set_method(request, said.method(scope))
        if not said.edits_answers:
            return call_next(request)
        return amended(call_next, request, partial(_edit, said, scope))

    def _out(self, answer: Response, said: Effective, scope: Scope) -> Response:
        if said.edits_answers:
            said.edit(answer, scope)
        return answer

    def _effective(self, levels: list[Level], place: Level | None) -> Effective:
        key = tuple(map(id, levels))
        found = self._known.get(key)
        if found is None:
            found = Effective.of(levels, place)
            if len(self._known) < MAX_KEPT:
                self._known[key] = found
        return found


def _edit(said: Effective, scope: Scope, response: Response) -> None:
    said.edit(response, scope)


def _place(directive: Directive, compiler: Compiler) -> Place:
    level = compiler.level(directive.block or (), "location")
    try:
        if directive.block is None:
            raise ValueError("needs a block")
        return Place.read(directive.arguments, level)
    except ValueError as error:
        raise refused(SERVER, directive, f"location: {error}") from None


def _all(directives: tuple[Directive, ...]) -> list[Directive]:
    return [inner for each in directives for inner in (each, *_all(each.block or ()))]


def _warn(directive: Directive, context: BuildContext) -> None:
    if directive.name == "proxy_set_header" and directive.arguments[0].lower().encode() in FRAMING:
        context.logger.warning(
            "snippet: line %d: proxy_set_header %s has no effect: it is about the connection, not the request",
            directive.line,
            directive.arguments[0],
        )
