"""Requests that come back to the router that they went through."""

import pytest

from pointsman.compile.loopguard import guarded
from pointsman.testing import a_request, answering


async def test_a_request_is_marked_and_refused_when_it_comes_back() -> None:
    service = answering(200)
    handler = guarded(service, "web@docker")
    first = a_request()
    assert (await handler(first)).status == 200
    mark = service.last.headers.get_all(b"x-traefik-router")
    assert mark == [b"3a9f0ee9d9f5d517"]

    response = await handler(a_request(headers={"X-Traefik-Router": mark[0].decode()}))
    assert response.status == 400


@pytest.mark.parametrize("mark", ["", "3a9f0ee9d9f5d51", "3A9F0EE9D9F5D517"])
async def test_the_mark_of_another_router_is_replaced(mark: str) -> None:
    service = answering(200)
    response = await guarded(service, "web@docker")(a_request(headers={"X-Traefik-Router": mark}))
    assert response.status == 200
    assert service.last.headers.get_all(b"x-traefik-router") == [b"3a9f0ee9d9f5d517"]
