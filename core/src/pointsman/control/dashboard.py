"""Where the dashboard is found: below `api@internal`, and at `dashboard@internal` (operations.md §6.5).

The pages are a plugin's, which is asked for `/` and what is below it.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve

from pointsman.api import InternalRequest, InternalResponse
from pointsman.control.app import Answers

NOT_FOUND: Final = InternalResponse(404, b"404 page not found\n")
_NOT_INSTALLED: Final = InternalResponse(404, b"the dashboard is not installed; pip install pointsman-dashboard\n")
_PREFIX: Final = re.compile(r"(?:/[\w.~%!$&'()*+,;=:@-]+)+", re.ASCII)


class Dashboard:
    """The plugin's pages, or a word where it is not installed."""

    def __init__(self, base_path: str, insecure: bool, pages: Answers | None) -> None:
        """`base_path` without a slash at its end."""
        self._base = base_path
        self._insecure = insecure
        self._pages = pages

    async def below_api(self, request: InternalRequest) -> InternalResponse | None:
        """The answer of `api@internal`, if it is one for the dashboard; None if not."""
        if request.path == (self._base or "/"):
            return InternalResponse(302, headers={"Location": f"{_prefix(request)}{self._base}/dashboard/"}, content_type="")
        below = request.path.removeprefix(f"{self._base}/dashboard")
        if below == request.path or not below.startswith("/"):
            return None
        return await self._page(request, below)

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """The answer of `dashboard@internal`, wherever a router has mounted it."""
        mounted = f"{self._base}/dashboard"
        if request.path == "/" and self._insecure and "x-forwarded-prefix" not in request.headers:
            host = request.headers.get("host", "")
            scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
            return InternalResponse(301, b"Moved Permanently", headers={"Location": f"{scheme}://{host}{mounted}/"})
        inside = request.path == mounted or request.path.startswith(f"{mounted}/")
        return await self._page(
            request, (request.path.removeprefix(mounted) or "/") if inside else self._unmounted(request.path)
        )

    def _unmounted(self, path: str) -> str:
        """A page without a slash at its end looks for its files beside itself: `/gw/dashboard` for `/gw/a.js`."""
        return path.removeprefix(self._base) if path.startswith(f"{self._base}/") else path

    async def _page(self, request: InternalRequest, path: str) -> InternalResponse:
        if self._pages is None:
            return _NOT_INSTALLED
        return await self._pages.answer(evolve(request, path=path))


def _prefix(request: InternalRequest) -> str:
    """What stripPrefix took off; nothing that would lead to another host."""
    prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) and not urlsplit(prefix).netloc else ""
