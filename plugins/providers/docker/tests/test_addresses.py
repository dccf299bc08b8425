"""Every case of the table "Address" in providers.md §5.1."""

import pytest

from pointsman_docker.addresses import Addresses
from pointsman_docker.containers import container


@pytest.fixture
def reach(docker):
    """Where a container is reached, and what is odd about it: `reach({"port": 80}, mode="host")`."""

    def reached(port=None, *, others=(), network="", bindings=False, label="", **changes):
        found = [container(each) for each in (docker.inspected(**changes), *others)]
        known = {key: each for each in found for key in (each.id, each.name)}
        labels = {"web": label, "labelled": "b"}
        addresses = Addresses(known, network, bindings, "192.0.2.1", lambda each: labels.get(each.name, ""))
        address, warning = addresses.of(found[0])
        return address(port), warning

    return reached


@pytest.fixture
def two(docker):
    """Two networks, in the order in which they are not taken."""
    return {"b": docker.network("10.0.2.2"), "a": docker.network("10.0.1.2")}


def test_without_a_named_network_the_first_in_order_of_name_that_has_an_address(reach, docker, two):
    assert reach(networks=two) == (("10.0.1.2", 80), "")
    assert reach(networks={**two, "a": docker.network()}) == (("10.0.2.2", 80), "")


@pytest.mark.spec("P-49")
def test_a_named_network_by_label_before_option(reach, two):
    assert reach(networks=two, network="b")[0] == ("10.0.2.2", 80)
    assert reach(networks=two, network="a", label="b")[0] == ("10.0.2.2", 80)
    assert reach(networks=two, network="b", mode="host")[0] == ("10.0.2.2", 80), "also before its mode"


def test_a_named_network_that_it_is_not_on_is_a_warning(reach, two):
    address, warning = reach(networks=two, label="web")

    assert address == ("10.0.1.2", 80)
    assert warning == "has no address on the network 'web', so the one on 'a' is used; its networks: a, b"


def test_ipv6_where_there_is_no_ipv4(reach, docker):
    both, six = docker.network("10.0.0.2", "fd00::2"), docker.network("", "fd00::2")

    assert reach(networks={"a": both})[0] == ("10.0.0.2", 80)
    assert reach(networks={"a": six}, label="a")[0] == ("fd00::2", 80)


@pytest.mark.spec("P-50")
def test_on_the_hosts_network(reach):
    assert reach(8080, mode="host", networks={"host": {"IPAddress": ""}}, ports={})[0] == ("192.0.2.1", 8080)


def test_on_the_network_of_another_container(reach, docker, two):
    other = docker.inspected("other", networks=two)
    labelled = docker.inspected("labelled", networks=two)
    chain = docker.inspected("chain", mode="container:other", networks={})

    def by(key, *others, **options):
        return reach(9000, mode=f"container:{key}", networks={}, ports={}, others=others, **options)[0]

    assert by("otherotherother", other) == ("10.0.1.2", 9000)
    assert by("other", other, network="b") == ("10.0.2.2", 9000)
    assert by("labelled", labelled, label="a") == ("10.0.2.2", 9000), "its own label comes first"
    assert by("chain", chain, other) == ("10.0.1.2", 9000)


@pytest.mark.parametrize("mode", ["container:nobody", "container:web"])
def test_on_the_network_of_a_container_that_there_is_not(reach, mode):
    with pytest.raises(ValueError, match=r"shares the network of the container '(nobody|web)', which there is not"):
        reach(80, mode=mode)


@pytest.mark.spec("P-37")
def test_the_lowest_port_by_number_of_any_protocol_unless_a_label_says_another(reach):
    ports = {"9000/tcp": None, "80/udp": None, "443/tcp": None, "junk": None, "0/tcp": None, "99999/tcp": None}

    assert reach(ports=ports)[0][1] == 80
    assert reach(8080, ports=ports)[0][1] == 8080


@pytest.mark.spec("P-38")
def test_no_port_and_no_address_are_said(reach):
    with pytest.raises(ValueError, match=r"port is missing; .*loadbalancer\.server\.port"):
        reach(ports={})
    with pytest.raises(ValueError, match="unable to find the IP address: it is on no network"):
        reach(networks={"none": {"IPAddress": ""}})
    with pytest.raises(ValueError, match="unable to find the IP address: it has none on the network 'x'"):
        reach(networks={}, network="x")


def bound(host, port="8081"):
    return {"80/tcp": [{"HostIp": host, "HostPort": port}], "9000/tcp": None}


@pytest.mark.spec("P-51")
def test_the_hosts_side_of_a_published_port(reach):
    assert reach(ports=bound("127.0.0.1"), bindings=True)[0] == ("127.0.0.1", 8081)
    assert reach(80, ports=bound("::1"), bindings=True)[0] == ("::1", 8081)
    assert reach(ports=bound("127.0.0.1"), networks={}, bindings=True)[0] == ("127.0.0.1", 8081), "it needs no other"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_port_published_on_all_addresses_or_not_at_all_is_the_containers(reach, host):
    assert reach(ports=bound(host), bindings=True)[0] == ("172.17.0.2", 80)
    assert reach(9000, ports=bound(host), bindings=True)[0] == ("172.17.0.2", 9000)
    assert reach(ports=bound("127.0.0.1"))[0] == ("172.17.0.2", 80), "nobody asked for it"


def test_names_of_containers_and_of_compose_services(docker):
    compose = {"com.docker.compose.service": "web", "com.docker.compose.project": "proj"}

    assert container(docker.inspected("My_App.Été-9--x")).service == "My-App-Été-9-x"
    assert container(docker.inspected("c1", compose)).service == "web-proj"
    assert container(docker.inspected("c1", {"com.docker.compose.service": "web"})).service == "c1"


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"Id": 1, "Name": []}, {"Id": "a"}])
def test_what_is_no_container(odd):
    with pytest.raises(ValueError, match="no id or no name"):
        container(odd)


def test_odd_details_are_no_harm():
    odd = {"Id": "a", "Name": "/b", "Config": {"Labels": {"x": 1, "y": "z"}}, "State": [], "HostConfig": 7}
    odd["NetworkSettings"] = {"Networks": {"n": None, "m": {"IPAddress": "junk"}}, "Ports": {"80/tcp": [1, {"HostPort": 8}]}}
    found = container(odd)

    assert (found.labels, found.running, found.well, dict(found.networks)) == ({"y": "z"}, False, True, {"m": "", "n": ""})
    assert dict(found.bindings) == {80: []}
