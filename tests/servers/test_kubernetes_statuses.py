"""What objects are told about themselves, without a leader (kubernetes.md §1.5)."""

import asyncio

import pytest

from pointsman.testing import eventually
from pointsman_kubernetes import statuses
from pointsman_kubernetes.kinds import INGRESS, SERVICE

from .kubernetes_following import Names, a_server, followed, hurry, ingress, service

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def server():
    with a_server() as running:
        yield running


class Told(Names):
    read = (INGRESS, SERVICE)


def shown(server, name="i"):
    return server.get(INGRESS, name).get("status", {}).get("loadBalancer", {}).get("ingress")


WANTED = [{"ip": "192.0.2.1"}]


@pytest.mark.spec("K-18", "K-79")
async def test_replicas_tell_an_object_its_status_once(server):
    server.apply(*(ingress(f"i{each}", status={"loadBalancer": {}}) for each in range(5)))
    async with followed(server, Told), followed(server, Told) as said:
        await eventually(lambda: all(shown(server, f"i{each}") == WANTED for each in range(5)), "each has its status")
        server.apply(service("new"))  # and once more all is looked at
        await said.until("new", "web")
        writes = len(server.writes())
        assert 5 <= writes <= 10
        assert all(each.startswith("PUT ") and each.endswith("/status") for each in server.writes())
        server.apply(service("newer"))
        await said.until("new", "newer", "web")
        await asyncio.sleep(0.3)
        assert len(server.writes()) == writes


async def test_a_status_right_that_is_missing_is_told(server):
    server.apply(ingress("i"))
    server.forbid("ingresses.networking.k8s.io/status", "update")
    async with followed(server, Told) as said:
        await said.problem(
            "ingresses.networking.k8s.io/status: cannot be written", "grant update on ingresses/status.networking.k8s.io"
        )
        server.allow("ingresses.networking.k8s.io/status")
        await eventually(lambda: shown(server) == WANTED, "it is written once it may be")
        await said.no_problem()


async def test_a_conflict_is_tried_again_with_what_is_there_now(server):
    server.apply(ingress("i"))
    first = asyncio.Event()

    async def meddle(request):
        if request.method == "PUT" and not first.is_set():
            first.set()
            server.apply(ingress("i", spec={"ingressClassName": "other"}))
        return None

    server.interfere = meddle
    async with followed(server, Told):
        await eventually(lambda: shown(server) == WANTED, "it is written")
        assert server.get(INGRESS, "i")["spec"] == {"ingressClassName": "other"}
        assert len(server.writes()) == 2


class Other(Told):
    address = "192.0.2.2"


async def test_two_that_want_different_things_write_less_and_less(server):
    server.apply(ingress("i"))
    async with followed(server, Told), followed(server, Other):
        await eventually(lambda: len(server.writes()) >= 4, "they fight")
        await asyncio.sleep(1.5)
        assert len(server.writes()) < 16


async def test_a_status_is_the_same_whenever_it_was_come_to():
    before = {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "then"}], "parents": []}
    now = {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "now"}]}
    other = {"conditions": [{"type": "B", "status": "True", "lastTransitionTime": "now"}, *now["conditions"]]}

    assert not statuses.different(before, now)
    assert statuses.different(before, other)
    assert statuses.dated(other, before)["conditions"][1]["lastTransitionTime"] == "then"
    assert statuses.dated(other, before)["conditions"][0]["lastTransitionTime"] == "now"
    assert statuses.dated(now, {"conditions": [{"type": "A", "status": "False"}]}) == now
    assert statuses.dated({"a": [1, {"b": 2}]}, {"a": {"b": 3}}) == {"a": [1, {"b": 2}]}
