"""The loop guard: a request that comes back to the router that it went through already is refused (providers.md §1.7)."""

from collections.abc import Awaitable
from typing import Final

from pointsman.api import Handler
from pointsman.dialect.fnv import fnv1
from pointsman.edits import HeaderEdit
from pointsman.message import Request, Response

HEADER: Final = b"x-traefik-router"


def guarded(handler: Handler, router: str) -> Handler:
    """The handler of a router, by its full name, behind the guard: it says in a header which router passed a request on."""
    mark = b"%x" % fnv1(router.encode())
    edit = HeaderEdit((HEADER,), [(HEADER, mark)])

    def handle(request: Request) -> Awaitable[Response]:
        if request.headers.get(HEADER) == mark:
            request.exchange.refuse("Request came back to the same router")
            return Response(400)
        edit.apply(request.headers)
        return handler(request)

    return handle
