"""What a default backend of ingress-nginx is told of the request and the answer that it is to find words for."""

from collections.abc import Mapping, Sequence
from typing import Final

from pointsman import Headers, Request
from pointsman.dialect.header_names import HeaderNames
from pointsman.dialect.redirection import target_of
from pointsman.errors import ConfigError, Problem

_OWN: Final = ("X-Code", "X-Format", "X-Original-Uri", "X-Request-ID")


class NginxHeaders:
    """Headers of the question for a page. What the client says by these names is not passed on."""

    def __init__(self, lines: Mapping[str, Sequence[str]]) -> None:
        """ConfigError for lines that are none."""
        self._lines = Headers()
        for name, values in lines.items():
            for value in values:
                try:
                    self._lines.add(name.lower().encode(), value.encode())
                except ValueError as error:
                    raise ConfigError(Problem(f"nginxHeaders.{name}", str(error))) from None
        self._names = HeaderNames([*_OWN, *lines])

    def tell(self, headers: Headers, request: Request, status: int) -> Headers:
        """The headers with what is told besides. `status` is that of the answer which is replaced."""
        known = request.headers.get(b"x-request-id")
        lines = [line for line in headers if line[0] not in self._names]
        lines += self._lines
        lines.append((b"x-code", b"%d" % status))
        lines.append((b"x-format", request.headers.get(b"accept") or b""))
        lines.append((b"x-original-uri", request.target if request.target.startswith(b"/") else target_of(request)))
        lines.append((b"x-request-id", known or request.exchange.request_id))
        return Headers(lines)
