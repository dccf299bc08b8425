"""Tasks and definitions as ECS describes them, and what is made of them, without a socket (providers.md §5.5)."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_ecs import definitions
from pointsman_ecs.account import Account, read_setting
from pointsman_ecs.definitions import Definitions
from pointsman_ecs.ec2 import error_in, instances_in
from pointsman_ecs.errors import AWSError
from pointsman_ecs.tasks import Ports, TaskDefinition, definition_in, tasks_in


def only(container, mappings=(), mode="bridge", **task):
    """The one container of a task."""
    defined = {"name": "app", "portMappings": list(mappings), "dockerLabels": {"a": "b", "c": 1}}
    definition = definition_in(
        {"taskDefinition": {"networkMode": mode, "containerDefinitions": [defined, {"name": "other"}]}}
    )
    raw = {"lastStatus": "RUNNING", "containerInstanceArn": "machine", **task, "containers": [{"name": "app", **container}]}
    ((found,),) = (task.containers(definition) for task in tasks_in({"tasks": [raw]}))
    return found


def bound(container, host, protocol="tcp", ip="0.0.0.0"):
    return {"containerPort": container, "hostPort": host, "protocol": protocol, "bindIP": ip}


@pytest.mark.spec("P-63")
def test_a_label_names_the_containers_port_and_gets_the_one_it_is_mapped_to():
    found = only({"networkBindings": [bound(443, 32000), bound(80, 32768)]}, group="service:web", taskArn="a:task/b/c")

    assert (found.port(80), found.port(443), found.port(99), found.port(None)) == (32768, 32000, 99, 32000)
    assert (found.key, found.group, found.machine, found.host) == ("container app of task c", "service:web", "machine", "")
    assert found.labels == {"a": "b"}


def test_ranges_of_ports_are_mapped_one_by_one():
    ranges = {"containerPortRange": "8000-8009", "hostPortRange": "40000-40009", "protocol": "tcp"}
    found = only({"networkBindings": [bound(80, 50000), ranges]})

    assert (found.port(8000), found.port(8009), found.port(8010), found.port(None)) == (40000, 40009, 8010, 40000)
    beyond = only({"networkBindings": [{**ranges, "hostPort": 65_530}]})
    assert (beyond.port(8005), beyond.port(8006)) == (65535, 8006)


@pytest.mark.parametrize(
    ("bindings", "reached"),
    [
        ([bound(80, 32001, ip="::"), bound(80, 32000)], 32000),
        ([bound(80, 32001, ip="::")], 32001),
        ([bound(80, 31000, "udp"), bound(80, 32000)], 32000),
        ([bound(80, 31000, "udp")], 31000),
    ],
    ids=["ipv4", "only-ipv6", "tcp", "only-udp"],
)
def test_of_several_mappings_of_a_port_the_usual_one_counts(bindings, reached):
    assert only({"networkBindings": bindings}).port(80) == reached


def test_a_task_with_a_network_of_its_own_has_its_address_and_the_containers_ports():
    mappings = [{"containerPort": 8443, "hostPort": 8443}, {"containerPort": 8080}]
    four = {"networkInterfaces": [{"ipv6Address": "fd00::1"}, {"privateIpv4Address": "10.0.0.1", "ipv6Address": "fd00::2"}]}
    found = only(four, mappings, "awsvpc")

    assert (found.machine, found.host, found.port(None), found.port(8443)) == ("", "10.0.0.1", 8080, 8443)
    assert only({"networkInterfaces": [{"ipv6Address": "fd00::1"}]}, mappings, "awsvpc").host == "fd00::1"


def test_in_the_machines_own_network_ports_are_what_they_are():
    assert only({}, [{"containerPort": 8080}], "host").ports == (Ports(8080, 8080),)
    assert only({"networkBindings": [bound(8080, 8080)]}, [{"containerPort": 9}], "host").ports == (Ports(8080, 8080),)
    with pytest.raises(ValueError, match="port is missing"):
        only({}, [{"containerPort": 8080}]).port(None)


@pytest.mark.parametrize("range_", ["", "8000", "8010-8000", "0-9", "1-99999", "a-b", "1-٣", "-1-2"])
def test_ranges_that_are_none_count_for_nothing(range_):
    assert only({"networkBindings": [{"containerPortRange": range_, "hostPortRange": "1-2"}]}).ports == ()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.text(max_size=5) | st.just("RUNNING"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["tasks", "containers", "name", "lastStatus", "networkBindings", "networkInterfaces", "containerPort", "hostPort",
         "bindIP", "protocol", "taskDefinition", "containerDefinitions", "portMappings", "dockerLabels",
         "containerPortRange"]
    ), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(ANYTHING, ANYTHING)
def test_answers_of_any_shape_are_read(tasks, containers):
    described = {"taskDefinition": {"containerDefinitions": [{"name": "app", "portMappings": tasks}, containers]}}
    for answer in ({"tasks": tasks}, {"tasks": [{"lastStatus": "RUNNING", "containers": containers}]}):
        for task in tasks_in(answer):
            for found in task.containers(definition_in(described)):
                assert all(0 < ports.container < 65_536 and 0 < ports.host < 65_536 for ports in found.ports)


def test_instances_that_run_have_addresses():
    def instance(name, state, address):
        return f"<item><instanceId>{name}</instanceId>{address}<instanceState><name>{state}</name></instanceState></item>"

    four, six = "<privateIpAddress>10.0.0.1</privateIpAddress>", "<ipv6Address>fd00::1</ipv6Address>"
    items = instance("i-1", "running", four + six) + instance("i-2", "running", six) + instance("i-3", "stopped", four)
    body = f"""<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet>
        <item><instancesSet>{items}</instancesSet></item>
        <item><instancesSet>{instance("i-4", "running", "")}</instancesSet></item></reservationSet>
        <nextToken>more</nextToken></DescribeInstancesResponse>"""

    assert instances_in(body.encode()) == ({"i-1": "10.0.0.1", "i-2": "fd00::1"}, "more")


@given(st.binary(max_size=200) | st.text(alphabet="<>/&;!DOCTYPEab[] \"'", max_size=80).map(str.encode))
def test_what_is_not_ec2s_is_an_error(body):
    with pytest.raises(AWSError, match="does the endpoint speak for AWS"):
        instances_in(body)
    assert error_in(body) == ("", "")


def test_definitions_are_kept_for_a_while_and_not_more_than_so_many(monkeypatch):
    monkeypatch.setattr(definitions, "MAX_KEPT", 2)
    now = [0.0]
    kept = Definitions(lambda: now[0])
    definition = TaskDefinition("bridge", {})
    for arn in ("a", "b", "c"):
        kept.keep(arn, definition)

    assert [kept.get(arn) for arn in ("a", "b", "c")] == [None, definition, definition]
    now[0] = 30 * 60.0
    assert kept.get("c") is None


@pytest.mark.parametrize(
    ("region", "environment", "ecs", "ec2"),
    [
        ("eu-central-1", {}, "https://ecs.eu-central-1.amazonaws.com/", "https://ec2.eu-central-1.amazonaws.com/"),
        ("cn-north-1", {}, "https://ecs.cn-north-1.amazonaws.com.cn/", "https://ec2.cn-north-1.amazonaws.com.cn/"),
        (
            "us-east-1",
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            "https://ecs-fips.us-east-1.amazonaws.com/",
            "https://ec2-fips.us-east-1.amazonaws.com/",
        ),
        (
            "us-east-1",
            {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL_ECS": "https://vpce.example"},
            "https://vpce.example",
            "https://ec2.us-east-1.api.aws/",
        ),
    ],
    ids=["usual", "china", "fips", "dual-stack"],
)
def test_endpoints_are_those_of_the_region_unless_the_environment_says_others(region, environment, ecs, ec2, monkeypatch):
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {"AWS_CONFIG_FILE": "/nonexistent", **environment}.items():
        monkeypatch.setenv(name, value)
    account = Account.open(read_setting(region), region, "key", "secret")

    assert (account.endpoints["ecs"], account.endpoints["ec2"]) == (ecs, ec2)


def test_botocore_is_there_only_for_those_who_look():
    script = "import sys, pointsman_ecs; print([name for name in ('botocore', 'urllib3') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"
