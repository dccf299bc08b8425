"""The web UI of the gateway, `dashboard@internal` (operations.md §6.5): files that were written beforehand, no more.

What they show comes from the API, asked by the browser with whatever lets it in there.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import ClassVar, Final

from pointsman import InternalContext, InternalRequest, InternalResponse, hookimpl
from pointsman_dashboard.assets import Asset, Assets

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing but these files runs, nothing but this host is asked, and no text ever becomes markup."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
REVALIDATED: Final = "no-cache"
FOR_EVER: Final = "public, max-age=31536000, immutable"
_PREFIX: Final = re.compile(r"(?:/[\w.~%!$&'()*+,;=:@-]+)+", re.ASCII)


class Dashboard:
    """The page at `/`, and its files below a folder that is named after their content."""

    name: ClassVar[str] = "dashboard"
    section: ClassVar[str] = "api.dashboard"

    def __init__(self, context: InternalContext) -> None:
        self._api_path = context.api_path
        self._assets = Assets.read()

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """GET and HEAD only; 304 for what the browser has."""
        if request.method not in ("GET", "HEAD"):
            return InternalResponse(405, headers={**HEADERS, "Allow": "GET, HEAD"}, content_type="")
        if request.path == "/":
            return _answer(self._page(request.headers), REVALIDATED, request)
        version, _, name = request.path[1:].partition("/")
        asset = self._assets.by_name.get(name) if version == self._assets.version else None
        if asset is None:
            return InternalResponse(404, b"404 page not found\n", headers=HEADERS)
        return _answer(asset, FOR_EVER, request)

    def _page(self, headers: Mapping[str, str]) -> Asset:
        api = escape(_prefix(headers) + self._api_path)
        page = self._assets.page.replace("{assets}", self._assets.version).replace("{api}", api)
        return Asset.of("index.html", page.encode())


def _answer(asset: Asset, caching: str, request: InternalRequest) -> InternalResponse:
    headers = {**HEADERS, "Cache-Control": caching, "ETag": asset.etag}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if asset.etag in known:
        return InternalResponse(304, headers=headers, content_type="")
    return InternalResponse(body=asset.body, content_type=asset.content_type, headers=headers)


def _prefix(headers: Mapping[str, str]) -> str:
    """What a router took off the path; nothing that would lead to another host."""
    prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""


@hookimpl
def pointsman_internal_services() -> Sequence[type[Dashboard]]:
    return [Dashboard]
