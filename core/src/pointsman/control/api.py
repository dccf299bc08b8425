"""`api@internal`: the endpoints of operations.md §6.2, and the dashboard below them."""

from pointsman.api import InternalRequest, InternalResponse
from pointsman.control.dashboard import NOT_FOUND, Dashboard


class Api:
    """The service."""

    def __init__(self, dashboard: Dashboard | None) -> None:
        self._dashboard = dashboard

    async def answer(self, request: InternalRequest) -> InternalResponse:
        if self._dashboard is not None and (page := await self._dashboard.below_api(request)) is not None:
            return page
        return NOT_FOUND
