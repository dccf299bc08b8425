"""Tasks on ECS become routes, through a server that speaks as AWS's models have it (providers.md §5.5)."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, answer, build, connect, eventually
from pointsman.testing import upstream as an_upstream
from pointsman_ecs import ECS, account, calls
from pointsman_ecs.errors import AWSError, Throttled

from .aws import KEY, REGION, ROLE_TOKEN, SECRET, a_cloud

WEB = [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]


@pytest.fixture
async def cloud(monkeypatch, tmp_path):
    """A server, and an environment that leads to it and to no other."""
    for name in (
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_SESSION_TOKEN",
        "HTTP_PROXY",
        "http_proxy",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    async with a_cloud() as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        yield cloud


@asynccontextmanager
async def following(**config):
    """A provider at work: what it published, each time."""
    provider = build(ECS, {"region": REGION, **config}, FakeContext("ecs"))
    told = []
    task = asyncio.create_task(provider.provide(lambda document, problems=(): told.append((document, problems))))
    try:
        await eventually(lambda: told or task.done())
        if task.done():
            await task
        yield provider, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def looked(**config):
    """What it publishes first."""
    async with following(**config) as (_, told):
        return told[0]


async def silent(reader, writer):
    """Takes a request, and never answers."""
    while await reader.read(65_536):
        pass
    writer.close()


def servers(document):
    """URLs by service."""
    services = document["http"]["services"]
    return {name: [each["url"] for each in service["loadBalancer"]["servers"]] for name, service in services.items()}


def at(address):
    return {"networkInterfaces": [{"privateIpv4Address": address, "attachmentId": "a"}]}


def bound(container, host, **more):
    return {
        "networkBindings": [{"bindIP": "0.0.0.0", "containerPort": container, "hostPort": host, "protocol": "tcp", **more}]
    }


@pytest.mark.spec("P-63")
async def test_a_container_is_called_by_group_and_name_and_reached_by_its_mapped_port(cloud):
    labelled = {"traefik.http.services.shop.loadbalancer.server.port": "80"}
    bridge = cloud.define("shop", "bridge", [{"containerPort": 80, "hostPort": 0}, {"containerPort": 9}], labelled)
    machine = cloud.machine(1, "10.0.0.9")
    ports = [bound(9, 20000), bound(80, 32768)]
    both = {"networkBindings": [binding for each in ports for binding in each["networkBindings"]]}
    cloud.run(1, bridge, "service:web", containerInstanceArn=machine, container=both)
    own = cloud.define("own", "awsvpc", [{"containerPort": 8443}, {"containerPort": 8080}])
    cloud.run(2, own, "service:api_v1", container=at("10.0.1.7"))

    document, problems = await looked()

    assert problems == []
    assert servers(document) == {"shop": ["http://10.0.0.9:32768"], "service-api-v1-app": ["http://10.0.1.7:8080"]}
    router = document["http"]["routers"]["service-web-app"]
    assert (router["rule"], router["service"]) == ("Host(`service-web-app`)", "shop")


async def test_everything_is_asked_page_by_page(cloud):
    cloud.page = 2
    for number in range(5):
        definition = cloud.define(f"d{number}", "bridge", WEB)
        machine = cloud.machine(number, f"10.0.0.{number}", external=number % 2 == 1)
        cloud.run(
            number,
            definition,
            "family:f",
            f"c{number % 3}",
            containerInstanceArn=machine,
            container=bound(80, 8000 + number),
        )

    document, problems = await looked(autoDiscoverClusters=True, ecsAnywhere=True)

    assert problems == []
    assert servers(document) == {"family-f-app": [f"http://10.0.0.{number}:{8000 + number}" for number in range(5)]}
    assert cloud.count("ListClusters") == 2
    assert cloud.count("DescribeInstances") + cloud.count("DescribeInstanceInformation") == 5


async def test_more_than_a_hundred_tasks_are_described_in_portions(cloud):
    definition = cloud.define("many", "bridge", WEB)
    for number in range(203):
        machine = cloud.machine(number, f"10.1.{number // 100}.{number % 100}")
        cloud.run(number, definition, "service:many", containerInstanceArn=machine, container=bound(80, 80))

    document, problems = await looked()

    assert (len(servers(document)["service-many-app"]), problems) == (203, [])
    assert [cloud.count(each) for each in ("ListTasks", "DescribeTasks", "DescribeTaskDefinition")] == [3, 3, 1]
    assert [cloud.count(each) for each in ("DescribeContainerInstances", "DescribeInstances")] == [3, 3]


async def test_what_does_not_run_or_is_not_healthy_or_not_exposed_is_left_out(cloud):
    own = cloud.define("own", "awsvpc", WEB)
    hidden = cloud.define("hidden", "awsvpc", WEB, {"traefik.enable": "false"})
    unknown = cloud.define("unknown", "bridge", WEB, {"traefik.enable": "false"})
    cloud.run(1, own, "service:web", healthStatus="HEALTHY", container=at("10.0.0.1"))
    cloud.run(2, own, "service:web", container=at("10.0.0.2"))
    cloud.run(3, own, "service:web", healthStatus="UNHEALTHY", container=at("10.0.0.3"))
    cloud.run(4, own, "service:web", lastStatus="PENDING", container=at("10.0.0.4"))
    cloud.run(5, own, "service:web", container={**at("10.0.0.5"), "healthStatus": "UNHEALTHY"})
    cloud.run(6, own, "service:web", container={**at("10.0.0.6"), "lastStatus": "STOPPED"})
    cloud.run(7, hidden, "service:web", container=at("10.0.0.7"))
    cloud.run(8, unknown, "service:web", containerInstanceArn="arn:not-asked-for")

    assert servers((await looked())[0]) == {"service-web-app": ["http://10.0.0.1:80", "http://10.0.0.2:80"]}
    assert servers((await looked(healthyTasksOnly=True))[0]) == {"service-web-app": ["http://10.0.0.1:80"]}
    assert servers((await looked(exposedByDefault=False))[0]) == {}
    assert servers((await looked(constraints="Label(`traefik.enable`, `x`)"))[0]) == {}
    assert cloud.count("DescribeContainerInstances") == 0


async def test_one_bad_container_or_cluster_is_a_problem_and_the_others_are_used(cloud):
    wrong = {
        "typo": {"traefik.http.routers.r.rul": "Host(`x`)"},
        "own": {"traefik.ecs.network": "x"},
        "portless": {},
    }
    for number, (name, labels) in enumerate(wrong.items()):
        definition = cloud.define(name, "awsvpc", [] if name == "portless" else WEB, labels)
        cloud.run(number, definition, f"service:{name}", container=at("10.0.0.1"))
    cloud.run(5, cloud.define("good", "awsvpc", WEB), "service:good", container=at("10.0.0.5"))
    cloud.run(
        6,
        cloud.define("gone", "bridge", WEB),
        "service:gone",
        containerInstanceArn=cloud.machine(6, "10.0.0.6", state="stopped"),
    )
    cloud.run(
        7, cloud.define("ext", "host", WEB), "service:ext", containerInstanceArn=cloud.machine(7, "10.0.0.7", external=True)
    )
    cloud.run(8, "arn:deleted", "service:deleted")

    document, problems = await looked(clusters=["nope", "default"])

    assert servers(document) == {"service-good-app": ["http://10.0.0.5:80"]}
    told = "\n".join(map(str, problems))
    for each in (
        "providers.ecs.clusters: there is no cluster 'nope'",
        "the tasks of arn:deleted are left out",
        "providers.ecs.ecsAnywhere: containers on external instances have no address",
        f"container app of task {0:032x}: ",
        f"container app of task {1:032x}: traefik.ecs: unknown key 'network'",
        f"container app of task {2:032x}: service 'service-portless-app' error: port is missing",
        f"container app of task {6:032x}: service 'service-gone-app' error: unable to find its IP address",
    ):
        assert each in told
    with pytest.raises(AWSError, match="ClusterNotFoundException: Cluster not found"):
        await looked(clusters=["nope"])


async def test_what_stops_goes_at_the_next_look_and_definitions_are_asked_for_once(cloud):
    definition = cloud.define("own", "awsvpc", WEB)
    task = cloud.run(1, definition, "service:web", container=at("10.0.0.1"))
    cloud.run(2, definition, "service:web", container=at("10.0.0.2"))
    async with following(refreshSeconds=600) as (provider, told):
        assert servers(told[0][0])["service-web-app"] == ["http://10.0.0.1:80", "http://10.0.0.2:80"]
        task["lastStatus"] = "DEACTIVATING"
        provider.refresh()
        await eventually(lambda: len(told) == 2)
        assert servers(told[1][0])["service-web-app"] == ["http://10.0.0.2:80"]
        cloud.clusters["default"].clear()
        provider.refresh()
        await eventually(lambda: len(told) == 3)
        assert told[2][0]["http"]["routers"] == told[2][0]["http"]["services"] == {}
        assert cloud.count("DescribeTaskDefinition") == 1


async def test_credentials_and_region_come_from_the_instance_when_nothing_else_tells_them(cloud, monkeypatch, caplog):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.url)
    caplog.set_level(logging.DEBUG)

    assert (await looked(region=""))[1] == []
    cloud.keys.clear()
    with pytest.raises(
        AWSError, match=r"ListTasks of ecs in eu-central-1 was refused: SignatureDoesNotMatch: It does not match\.$"
    ):
        await looked(region="")
    assert cloud.count("ListTasks") == 2
    assert [record.getMessage() for record in caplog.records if ROLE_TOKEN in record.getMessage()] == []


async def test_files_of_aws_and_a_proxy_are_heeded(cloud, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[profile gate]\nregion = {REGION}\nendpoint_url = http://aws.test/\n")
    (tmp_path / "credentials").write_text(f"[gate]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_PROFILE", "gate")
    monkeypatch.setenv("http_proxy", cloud.url)

    assert (await looked(region=""))[1] == []
    assert cloud.count("ListTasks") == 1
    monkeypatch.setenv("no_proxy", "aws.test")
    with pytest.raises(AWSError, match=r"ListTasks of ecs at aws\.test: its name cannot be resolved"):
        await looked(region="")


async def test_credentials_that_do_not_come_are_not_waited_for(cloud, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr(account, "LIMIT_SECONDS", 0.3)
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 2\n")

    with pytest.raises(AWSError, match=r"AWS credentials did not come within 0\.3 s"):
        await looked()


async def test_it_says_what_is_missing(cloud, monkeypatch, tmp_path):
    with pytest.raises(AWSError, match="no AWS region is known; say 'region', or AWS_REGION"):
        await looked(region="")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{cloud.url}/nothing")
    with pytest.raises(AWSError, match="the instance metadata service does not tell it; say 'region'"):
        await looked(region="")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AWSError, match="no AWS credentials were found"):
        await looked()
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(AWSError, match=r"profile \(absent\) could not be found"):
        await looked()
    monkeypatch.delenv("AWS_PROFILE")
    keys = {"accessKeyID": KEY, "secretAccessKey": SECRET}
    assert (await looked(**keys))[1] == []
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    with pytest.raises(AWSError, match="there is no AWS region 'nowhere-1'"):
        await looked(region="nowhere-1", **keys)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    with pytest.raises(AWSError, match=r"absent\.pem \(AWS_CA_BUNDLE\) cannot be used"):
        await looked(**keys)


async def test_a_call_that_is_throttled_is_repeated_and_then_given_up(cloud, monkeypatch):
    monkeypatch.setattr(calls, "PAUSE_SECONDS", 0.01)
    cloud.run(
        1,
        cloud.define("b", "bridge", WEB),
        "service:b",
        containerInstanceArn=cloud.machine(1, "10.0.0.1"),
        container=bound(80, 81),
    )
    left = {"ListTasks": 4, "DescribeInstances": 1}

    def throttle(action):
        if not left.get(action):
            return None
        left[action] -= 1
        ec2 = action == "DescribeInstances"
        return (503, "RequestLimitExceeded", "Slow down") if ec2 else (400, "ThrottlingException", "Rate exceeded")

    cloud.fault = throttle
    assert servers((await looked())[0]) == {"service-b-app": ["http://10.0.0.1:81"]}
    assert [cloud.count(each) for each in ("ListTasks", "DescribeTasks", "DescribeInstances")] == [5, 1, 2]
    left["ListTasks"] = 99
    with pytest.raises(Throttled, match="ListTasks of ecs in eu-central-1 was refused: ThrottlingException: Rate exceeded"):
        await looked()
    assert left["ListTasks"] == 94


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (b"<html>", "DescribeTasks of ecs: the answer is no JSON object; does the endpoint speak for AWS?"),
        (b"[" * 100_000, "DescribeTasks of ecs: the answer is no JSON object"),
        (b"[]", "DescribeTasks of ecs: the answer is no JSON object"),
        (
            (500, "ServerException", "out of order"),
            "DescribeTasks of ecs in eu-central-1 was refused: ServerException: out of order",
        ),
        ("endless", "DescribeTasks of ecs: the answer is larger than 16 MiB"),
        ("nothing", "DescribeTasks of ecs in eu-central-1 was refused: status 502"),
    ],
    ids=["no-json", "deep", "list", "error", "endless", "bare"],
)
async def test_a_bad_answer_is_an_error_that_says_which(cloud, fault, message):
    cloud.run(1, cloud.define("own", "awsvpc", WEB), "service:web", container=at("10.0.0.1"))

    def broken(action):
        if action != "DescribeTasks":
            return None
        return web.StreamResponse() if fault == "endless" else (502, "", "") if fault == "nothing" else fault

    cloud.fault = broken
    with pytest.raises(AWSError) as refused:
        await looked()
    assert str(refused.value).startswith(message)


async def test_answers_of_ec2_that_are_bad_are_errors_too(cloud):
    cloud.run(
        1,
        cloud.define("b", "bridge", WEB),
        "service:b",
        containerInstanceArn=cloud.machine(1, "10.0.0.1"),
        container=bound(80, 81),
    )
    for fault, message in [
        (b"{}", "DescribeInstances of ec2: the answer is no XML"),
        (b"<html/>", "DescribeInstances of ec2: the answer is of another kind"),
        (
            (403, "UnauthorizedOperation", "You are not"),
            "DescribeInstances of ec2 in eu-central-1 was refused: UnauthorizedOperation: You",
        ),
    ]:
        cloud.fault = lambda action, fault=fault: fault if action == "DescribeInstances" else None
        with pytest.raises(AWSError, match=message):
            await looked()


async def test_pages_without_end_and_a_server_that_is_silent_or_away_are_errors(cloud, monkeypatch):
    cloud.fault = lambda action: b'{"taskArns": [], "nextToken": "again"}'
    with pytest.raises(AWSError, match="ListTasks of ecs: its pages do not end"):
        await looked()
    assert cloud.count("ListTasks") == 2
    monkeypatch.setattr(calls, "TIMEOUT", calls.aiohttp.ClientTimeout(total=0.2))
    quiet = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", f"http://127.0.0.1:{quiet.sockets[0].getsockname()[1]}")
    with pytest.raises(AWSError, match=r"ListTasks of ecs: no answer within 0\.2 s"):
        await looked()
    quiet.close()
    with pytest.raises(AWSError, match=r"ListTasks of ecs at 127\.0\.0\.1: Connection refused"):
        await looked()
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", "127.0.0.1:4566")
    with pytest.raises(AWSError, match="AWS_ENDPOINT_URL_ECS is no http or https URL"):
        await looked()


def test_options_that_cannot_be_used_are_configuration_errors():
    for config, message in [
        ({"clusters": []}, r"providers\.ecs\.clusters: names no cluster"),
        ({"accessKeyID": KEY}, "'accessKeyID' and 'secretAccessKey' belong together"),
        ({"constraints": "Labl(`x`)"}, r"providers\.ecs\.constraints: unsupported function"),
        ({"defaultRule": "{{"}, r"providers\.ecs\.defaultRule"),
        ({"region": "x.evil/"}, "is no AWS region"),
        ({"refreshSeconds": 0}, "'refreshSeconds' must be >= 1"),
    ]:
        with pytest.raises(ConfigError, match=message):
            build(ECS, config, FakeContext("ecs"))


async def test_a_gateway_follows_what_runs_and_keeps_it_while_aws_is_out_of_order(cloud, start_gateway):
    async with an_upstream(answer(200, body=b"one")) as one, an_upstream(answer(200, body=b"two")) as two:
        ports = {server: int(server.url.rpartition(":")[2]) for server in (one, two)}
        route = {"traefik.http.routers.web.rule": "Host(`web.test`)"}
        tasks = [
            cloud.run(
                number,
                cloud.define(f"own{number}", "awsvpc", [{"containerPort": port}], route),
                "service:web",
                container=at("127.0.0.1"),
            )
            for number, port in enumerate(ports.values())
        ]
        shop = cloud.define("shop", "bridge", WEB, {"traefik.http.services.shop.loadbalancer.server.port": "80"})
        machine = cloud.machine(1, "127.0.0.1")
        cloud.run(7, shop, "service:shop", containerInstanceArn=machine, container=bound(80, ports[two]))
        api = {"http": {"routers": {"api": {"rule": "Host(`api.test`)", "service": "api@internal"}}}}
        running = await start_gateway(api, {"providers": {"ecs": {"region": REGION, "refreshSeconds": 1}}, "api": {}})

        async def bodies(host):
            async with connect(running.port()) as client:
                answers = [await client.get("/", host) for _ in range(4)]
            return {each.body if each.status == 200 else each.status for each in answers}

        async def provider():
            async with connect(running.port()) as client:
                return (await client.get("/api/providers", "api.test")).body.decode()

        async def become(host, wanted):
            async def as_wanted():
                assert await bodies(host) == wanted
                return True

            await eventually(as_wanted)

        await become("web.test", {b"one", b"two"})
        await become("service-shop-app", {b"two"})

        tasks[0]["lastStatus"] = "STOPPED"
        await become("web.test", {b"two"})

        cloud.fault = lambda action: (500, "ServerException", "out of order")
        cloud.clusters["default"].clear()

        async def told():
            return "ServerException: out of order" in await provider()

        await eventually(told)
        assert await bodies("web.test") == await bodies("service-shop-app") == {b"two"}

        cloud.fault = lambda action: None
        await become("web.test", {404})
        await become("service-shop-app", {404})
        assert SECRET not in running.log()
        assert "Traceback" not in running.log()
