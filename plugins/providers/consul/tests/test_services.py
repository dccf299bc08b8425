"""What tags and checks of an instance mean."""

import pytest

from pointsman_consul.agent import ConsulError
from pointsman_consul.services import canary_name, entries_in, labels_of, normalised, services_in


def said(*checks, **own):
    node = {"Node": "node-a", "Address": "10.0.0.1", "Datacenter": "dc1"}
    service = {"ID": "web-1", "Tags": [], "Address": "", "Port": 80, **own}
    return {
        "Node": node,
        "Service": service,
        "Checks": [{"CheckID": f"c{place}", "Status": each} for place, each in enumerate(checks)],
    }


@pytest.mark.spec("P-58")
def test_a_canary_is_called_after_its_tags_as_by_the_reference():
    tags = ["v2", "traefik.consulcatalog.canary=true"]
    assert canary_name("can", tags) == "can-8687280574039790457"
    assert canary_name("can", reversed(tags)) == "can-8687280574039790457"


def test_tags_below_the_prefix_are_labels():
    tags = ["public", "traefik.http.routers.r.rule=Path(`/a=b`)", "traefik.enable", "traefikish.x=1", "traefik.a = 1 "]
    assert labels_of(tags, "traefik") == {
        "traefik.http.routers.r.rule": "Path(`/a=b`)",
        "traefik.enable": "",
        "traefik.a": "1",
    }
    assert labels_of(["edge.eu.enable=true", "edge.enable=true"], "edge.eu") == {"traefik.enable": "true"}


@pytest.mark.parametrize(("name", "expected"), [("My_App.Été-9--x", "My-App-Été-9-x"), ("-a-", "a"), ("web", "web")])
def test_names_are_normalised_as_in_rules(name, expected):
    assert normalised(name) == expected


@pytest.mark.parametrize(
    ("checks", "state"),
    [
        ([], "passing"),
        (["passing", "warning"], "warning"),
        (["critical", "passing"], "critical"),
        (["what"], "critical"),
    ],
)
def test_an_instance_is_as_its_worst_check(checks, state):
    assert [entry.state for entry in entries_in("web", [said(*checks)])] == [state]


def test_maintenance_is_a_state_of_its_own():
    instance = said("critical")
    instance["Checks"].append({"CheckID": "_service_maintenance:web-1", "Status": "critical"})
    assert entries_in("web", [instance])[0].state == "maintenance"


def test_the_address_is_the_nodes_if_the_service_has_none():
    assert entries_in("web", [said()])[0].address == "10.0.0.1"
    assert entries_in("web", [said(Address="10.0.0.2")])[0].address == "10.0.0.2"


@pytest.mark.parametrize("content", ["x", [1], [{}], [{"Node": {}, "Service": {}, "Checks": []}], [said(Tags="x")], 7])
def test_what_is_no_list_of_instances_is_an_error(content):
    with pytest.raises(ConsulError, match="does not answer like Consul"):
        entries_in("web", content)


@pytest.mark.parametrize("content", [[], None, {"web": "tags"}])
def test_what_is_no_list_of_services_is_an_error(content):
    with pytest.raises(ConsulError, match="does not answer like Consul"):
        services_in(content)
