"""Cross-origin requests: preflights answered here, and what actual responses say (middlewares.md §3.13, 3 to 5)."""

from pointsman import Request, Response
from pointsman.dialect.patterns import Pattern
from pointsman.errors import ConfigError, Problem
from pointsman_headers.config import HeadersConfig
from pointsman_headers.lines import Line, line, tokens

ALLOW_ORIGIN = b"access-control-allow-origin"


class Cors:
    """The answers that a configuration gives; `headers` are those that every actual response gets."""

    def __init__(self, config: HeadersConfig) -> None:
        self._credentials = config.access_control_allow_credentials
        self._origins = tuple(origin.encode() for origin in config.access_control_allow_origin_list)
        self._patterns = tuple(map(_pattern, config.access_control_allow_origin_list_regex))
        self._vary = config.add_vary_header
        self._fixed, self._echoed = _preflight_lines(config)
        anyone = self._origins[:1] == (b"*",) and not self._credentials
        self.same_for_all = anyone or not (self._origins or self._patterns)
        """The origin does not matter: either none is allowed, or any is."""
        self.headers = dict(_always(config)) | ({ALLOW_ORIGIN: b"*"} if anyone else {})

    def allowed(self, origin: bytes) -> bytes | None:
        """What Access-Control-Allow-Origin says to `origin` (b"" if there is none); None if it is not allowed."""
        for item in self._origins:
            if item == b"*":
                return b"*" if not self._credentials else origin or None
            if item == origin:
                return item
        if origin and any(pattern.first(origin) is not None for pattern in self._patterns):
            return origin
        return None

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight, None if the request is none."""
        if request.method != b"OPTIONS":
            return None
        origin = request.headers.get(b"origin")
        if not origin or not request.headers.get(b"access-control-request-method"):
            return None
        lines = list(self._fixed)
        vary = [b"Origin"] if self._vary or not self.same_for_all else []
        for name, asked in self._echoed:
            vary.append(asked.title())
            if value := request.headers.get(asked):
                lines.append((name, value))
        if allowed := self.allowed(origin):
            lines.append((ALLOW_ORIGIN, allowed))
        if vary:
            lines.append((b"vary", b", ".join(vary)))
        return Response(200, lines)


def _always(config: HeadersConfig) -> list[Line]:
    """What every response says, whatever the origin."""
    lines: list[Line] = []
    if config.access_control_allow_credentials:
        lines.append((b"access-control-allow-credentials", b"true"))
    exposed = config.access_control_expose_headers
    if exposed and not (lines and "*" in exposed):  # with credentials a star is no wildcard (Fetch 3.3.2)
        lines.append(line("accessControlExposeHeaders", "access-control-expose-headers", ",".join(exposed)))
    return lines


def _preflight_lines(config: HeadersConfig) -> tuple[list[Line], list[tuple[bytes, bytes]]]:
    """Lines that every preflight gets, and pairs of names: what is answered, and the request header that it echoes."""
    fixed, echoed = _always(config), []
    if config.access_control_max_age is not None:
        fixed.append((b"access-control-max-age", b"%d" % config.access_control_max_age))
    for key, name, asked, listed in (
        ("accessControlAllowHeaders", "access-control-allow-headers", "headers", config.access_control_allow_headers),
        ("accessControlAllowMethods", "access-control-allow-methods", "method", config.access_control_allow_methods),
    ):
        if config.access_control_allow_credentials and "*" in listed:
            echoed.append((name.encode(), b"access-control-request-" + asked.encode()))
        elif listed:
            fixed.append(line(key, name, ",".join(listed)))
    return fixed, echoed


def add_vary(raw: list[Line]) -> None:
    """Make Vary name Origin, keeping what it names already."""
    values = [value for name, value in raw if name == b"vary"]
    named = {token.lower() for token in tokens(values)}
    if b"origin" in named or b"*" in named:
        return
    raw[:] = [line for line in raw if line[0] != b"vary"]
    raw.append((b"vary", b",".join([*filter(None, values), b"Origin"])))


def _pattern(text: str) -> Pattern:
    try:
        return Pattern(text)
    except ValueError as error:
        raise ConfigError(Problem("accessControlAllowOriginListRegex", str(error))) from None
