"""Services over services, without sockets: who is asked, and who is passed over (routing.md §5.2, §5.3, §5.6)."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest

from pointsman.api import Peer, Pick
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.config.http_model import Cookie
from pointsman.errors import GatewayError, NoServer
from pointsman.message import Request, Response
from pointsman.rendezvous import rendezvous
from pointsman.testing import a_request, answering
from pointsman.upstream.composite import Child, OneOf, StickyOneOf, WatchedChild
from pointsman.upstream.status import AnyHealth, PeersHealth
from pointsman.upstream.sticky import Sticky, current_value


class Later:
    """A Pending that answers when it is told to."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.receiver: Any = None
        self.cancelled = False

    def subscribe(self, receiver: Any) -> None:
        self.receiver = receiver

    def cancel(self) -> None:
        self.cancelled = True

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self.response


class Got:
    """A Receiver that remembers."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def respond(self, response: Response) -> None:
        self.said.append(response)

    def fail(self, error: BaseException) -> None:
        self.said.append(error)


def over(*children: Peer) -> Pick:
    return RoundRobin(RoundRobinConfig(), None).over(children)


def named(name: str, weight: int = 1) -> Child:
    return Child(name, answering(200, {"X-From": name}), weight)


async def from_whom(handler: Any, request: Request | None = None) -> str:
    response = await handler(request or a_request())
    return str((response.headers.get(b"x-from") or b"").decode())


@pytest.mark.spec("R-38")
async def test_children_share_by_their_weights():
    service = OneOf("w@file", over(named("a", 3), named("b", 1)))
    assert Counter([await from_whom(service) for _ in range(24)]) == {"a": 18, "b": 6}


def test_without_any_child_there_is_no_server():
    with pytest.raises(NoServer):
        OneOf("w@file", over(named("a", 0)))(a_request())


@pytest.mark.spec("R-52")
async def test_a_child_that_is_down_is_passed_over_and_comes_back():
    peers = [Peer("http://a", host="a", port=80)]
    health = PeersHealth(peers)
    service = OneOf("w@file", over(WatchedChild("a", named("a").handler, health), named("b")))
    assert {await from_whom(service) for _ in range(4)} == {"a", "b"}
    peers[0].up = peers[0].ready = False
    assert {await from_whom(service) for _ in range(4)} == {"b"}
    peers[0].up = peers[0].ready = True
    assert {await from_whom(service) for _ in range(4)} == {"a", "b"}


@pytest.mark.spec("R-52")
async def test_all_children_down_is_503():
    peers = [Peer("http://a", host="a", port=80)]
    service = OneOf("w@file", over(WatchedChild("a", named("a").handler, PeersHealth(peers))))
    peers[0].up = False
    with pytest.raises(NoServer):
        service(a_request())


def sticky_service(*children: Child) -> StickyOneOf:
    sticky = Sticky(Cookie("out"), "w@file", [(child.url, child) for child in children])
    return StickyOneOf("w@file", over(*children), sticky)


async def test_a_weighted_service_keeps_a_client_with_a_child_by_its_name():
    service = sticky_service(named("a"), named("b"))
    first = await service(a_request())
    name = first.headers.get(b"x-from")
    assert name is not None
    value = current_value(name.decode())
    assert first.headers.get(b"set-cookie") == b"out=" + value + b"; Path=/"
    for _ in range(3):
        again = await service(a_request(headers={"Cookie": f"out={value.decode()}"}))
        assert again.headers.get(b"x-from") == name
        assert again.headers.get(b"set-cookie") is None


async def test_an_older_cookie_is_renewed():
    service = sticky_service(named("a"), named("b"))
    for _ in range(2):
        response = await service(a_request(headers={"Cookie": "out=b"}))
        assert response.headers.get(b"x-from") == b"b"
        assert response.headers.get(b"set-cookie") == b"out=" + current_value("b") + b"; Path=/"


@pytest.mark.spec("R-47")
async def test_a_child_that_went_down_is_left_for_another_with_a_new_cookie():
    peers = [Peer("http://a", host="a", port=80)]
    service = sticky_service(WatchedChild("a", named("a").handler, PeersHealth(peers)), named("b"))
    peers[0].up = False
    response = await service(a_request(headers={"Cookie": f"out={current_value('a').decode()}"}))
    assert response.headers.get(b"x-from") == b"b"
    assert response.headers.get(b"set-cookie") == b"out=" + current_value("b") + b"; Path=/"


async def test_the_cookie_of_the_outer_level_stands_first():
    inner = sticky_service(named("a"))
    outer = sticky_service(Child("inner", inner))
    response = await outer(a_request())
    assert [value.partition(b";")[0] for value in response.headers.get_all(b"set-cookie")] == [
        b"out=" + current_value("inner"),
        b"out=" + current_value("a"),
    ]


async def test_an_answer_that_comes_later_gets_its_cookie_without_a_task():
    later = Later(Response(200))
    service = sticky_service(Child("a", lambda request: later))
    answer: Any = service(a_request())
    got = Got()
    answer.subscribe(got)
    assert got.said == []
    later.receiver.respond(later.response)
    assert got.said == [later.response]
    assert later.response.headers.get(b"set-cookie") is not None


async def test_an_answer_that_comes_later_can_be_awaited_cancelled_and_can_fail():
    service = sticky_service(Child("a", lambda request: Later(Response(200))))
    assert (await service(a_request())).headers.get(b"set-cookie") is not None

    later = Later(Response(200))
    pending: Any = sticky_service(Child("a", lambda request: later))(a_request())
    got = Got()
    pending.subscribe(got)
    error = GatewayError(502)
    later.receiver.fail(error)
    later.receiver.respond(Response(200))
    pending.cancel()
    assert got.said == [error]
    assert later.cancelled


async def test_the_answer_of_a_coroutine_gets_its_cookie():
    async def answer(request: Request) -> Response:
        return Response(200)

    def handler(request: Request) -> Awaitable[Response]:
        return answer(request)

    response = await sticky_service(Child("a", handler))(a_request())
    assert response.headers.get(b"set-cookie") is not None


async def test_rendezvous_over_children_takes_their_names_as_written():
    service = OneOf("h@file", rendezvous([named("a"), named("b")]))
    by_client = {f"10.0.0.{n}": await from_whom(service, a_request(client=f"10.0.0.{n}")) for n in range(50)}
    assert set(by_client.values()) == {"a", "b"}
    for client, name in by_client.items():
        assert await from_whom(service, a_request(client=client)) == name


def test_health_is_told_to_whoever_watches_and_to_nobody_after():
    peers = [Peer(f"http://{name}", host=name, port=80) for name in "ab"]
    one, other = PeersHealth(peers[:1]), PeersHealth(peers[1:])
    both = AnyHealth([one, other])
    heard: list[bool] = []
    stop = both.watch(heard.append)
    assert both.up
    for peer, health in zip(peers, (one, other), strict=True):
        peer.up = False
        health.changed()
    assert not both.up
    peers[0].up = True
    one.changed()
    one.changed()
    assert heard == [False, True]
    stop()
    stop()
    peers[0].up = False
    one.changed()
    assert heard == [False, True]
    assert repr(both) == "<AnyHealth down>"
