"""ECS, EC2, SSM and an instance's metadata service, over a real socket, as far as a gateway asks them.

What is asked and answered is held against AWS's models (`aws_models`). `Cloud` is what there is; tests change it while it is
asked, have it page by few, and put faults in its way.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import Factory, define

from pointsman.testing import free_port

from .aws_models import answer_of, error_of, request_of, signed_by

REGION = "eu-central-1"
ACCOUNT = f"arn:aws:ecs:{REGION}:123456789012"
KEY, SECRET = "AKIDPOINTSMAN", "wJalrXUtnFEMI-the-secret-of-it"
ROLE_KEY, ROLE_SECRET, ROLE_TOKEN = "ASIAROLE", "the-secret-of-the-role", "the-token-of-the-role"
Fault = Callable[[str], web.StreamResponse | bytes | tuple[int, str, str] | None]
"""Given the action: None lets it pass; bytes are answered as they are; a tuple is an error: status, code and message."""


@define
class Cloud:
    port: int = Factory(free_port)
    clusters: dict[str, list[dict[str, Any]]] = Factory(lambda: {"default": []})
    definitions: dict[str, dict[str, Any]] = Factory(dict)
    machines: dict[str, str] = Factory(dict)
    """Ids of instances by the ARNs of their container instances."""
    instances: dict[str, dict[str, Any]] = Factory(dict)
    """Of EC2, by id."""
    external: dict[str, str] = Factory(dict)
    """Addresses of instances that SSM knows."""
    page: int = 100
    keys: dict[str, str] = Factory(lambda: {KEY: SECRET, ROLE_KEY: ROLE_SECRET})
    fault: Fault = lambda _: None
    asked: list[tuple[str, dict[str, Any]]] = Factory(list)
    doubts: list[str] = Factory(list)
    """What was asked as botocore would not have."""
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, action: str) -> int:
        return sum(each == action for each, _ in self.asked)

    def define(self, name: str, mode: str, ports: list[dict[str, Any]], labels: dict[str, str] | None = None) -> str:
        """A task definition with one container, `app`."""
        arn = f"{ACCOUNT}:task-definition/{name}:1"
        container = {"name": "app", "portMappings": ports, "dockerLabels": labels or {}}
        self.definitions[arn] = {"taskDefinitionArn": arn, "networkMode": mode, "containerDefinitions": [container]}
        return arn

    def run(self, number: int, definition: str, group: str, cluster: str = "default", **more: Any) -> dict[str, Any]:
        """A task of one container; what `more` says of `container` is said of that."""
        arn = f"{ACCOUNT}:task/{cluster}/{number:032x}"
        container = {"name": "app", "lastStatus": "RUNNING", "healthStatus": "UNKNOWN", **more.pop("container", {})}
        task = {"taskArn": arn, "taskDefinitionArn": definition, "group": group, "lastStatus": "RUNNING", **more}
        task = {"healthStatus": "UNKNOWN", **task, "containers": [container]}
        self.clusters.setdefault(cluster, []).append(task)
        return task

    def machine(self, number: int, address: str, *, state: str = "running", external: bool = False) -> str:
        """A container instance; its ARN."""
        arn, name = f"{ACCOUNT}:container-instance/default/{number:032x}", f"{'mi' if external else 'i'}-{number:017x}"
        self.machines[arn] = name
        if external:
            self.external[name] = address
        else:
            self.instances[name] = {"InstanceId": name, "PrivateIpAddress": address, "State": {"Code": 16, "Name": state}}
        return arn

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/", self._api)
        application.router.add_put("/latest/api/token", self._metadata)
        application.router.add_get("/latest/meta-data/{what:.*}", self._metadata)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            service, action, parameters = request_of(request.headers, body)
        except Exception as doubt:
            self.doubts.append(repr(doubt))
            return web.Response(status=400, text=repr(doubt))
        self.asked.append((action, parameters))
        fault = self.fault(action)
        key = request.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        if not signed_by(self.keys.get(key, ""), "POST", "/", request.headers, body):
            token = request.headers.get("X-Amz-Security-Token", "")
            fault = (
                403,
                "SignatureDoesNotMatch",
                f"It does not match.\n\nThe Canonical String was 'x-amz-security-token:{token}'",
            )
        answer = fault or self._answer(action, parameters)
        if isinstance(answer, web.StreamResponse):
            return await self._endless(request, answer)
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], body=error_of(service, *answer))
        return web.Response(body=answer if isinstance(answer, bytes) else answer_of(service, action, answer))

    async def _endless(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b" " * 1_000_000)
        except (ConnectionError, asyncio.CancelledError):
            return answer

    def _answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any] | tuple[int, str, str]:
        if "cluster" in asked and asked["cluster"].rpartition("/")[2] not in self.clusters:
            return 400, "ClusterNotFoundException", "Cluster not found."
        tasks = self.clusters.get(asked.get("cluster", "").rpartition("/")[2], [])
        match action:
            case "ListClusters":
                return self._paged([f"{ACCOUNT}:cluster/{name}" for name in self.clusters], "clusterArns", asked)
            case "ListTasks":
                return self._paged([task["taskArn"] for task in tasks], "taskArns", asked)
            case "DescribeTasks":
                assert len(asked["tasks"]) <= 100
                return {"tasks": [task for task in tasks if task["taskArn"] in asked["tasks"]], "failures": []}
            case "DescribeTaskDefinition":
                found = self.definitions.get(asked["taskDefinition"])
                return (
                    {"taskDefinition": found} if found else (400, "ClientException", "Unable to describe task definition.")
                )
            case "DescribeContainerInstances":
                known = [arn for arn in asked["containerInstances"] if arn in self.machines]
                return {
                    "containerInstances": [
                        {"containerInstanceArn": arn, "ec2InstanceId": self.machines[arn]} for arn in known
                    ]
                }
            case "DescribeInstances":
                (only,) = asked["Filters"]
                wanted = [self.instances[each] for each in only["Values"] if each in self.instances]
                page = self._paged(wanted, "found", {"nextToken": asked.get("NextToken", "")})
                found = {
                    "Reservations": [
                        {"ReservationId": f"r-{n}", "Instances": [each]} for n, each in enumerate(page["found"])
                    ]
                }
                return found | ({"NextToken": page["nextToken"]} if "nextToken" in page else {})
            case "DescribeInstanceInformation":
                (only,) = asked["Filters"]
                known = [each for each in only["Values"] if each in self.external]
                page = self._paged(known, "found", {"nextToken": asked.get("NextToken", "")})
                found = {
                    "InstanceInformationList": [
                        {"InstanceId": each, "IPAddress": self.external[each]} for each in page["found"]
                    ]
                }
                return found | ({"NextToken": page["nextToken"]} if "nextToken" in page else {})
        raise AssertionError(action)

    def _paged(self, items: list[Any], key: str, asked: dict[str, Any]) -> dict[str, Any]:
        start = int(asked.get("nextToken") or 0)
        end = start + self.page
        return {key: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}

    async def _metadata(self, request: web.Request) -> web.Response:
        """Of an instance whose role is `gate`, version 2."""
        if request.method == "PUT":
            return web.Response(text="metadata-token")
        if request.headers.get("X-aws-ec2-metadata-token") != "metadata-token":
            return web.Response(status=401)
        role = {"Code": "Success", "AccessKeyId": ROLE_KEY, "SecretAccessKey": ROLE_SECRET, "Token": ROLE_TOKEN}
        role |= {"Expiration": "2099-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC"}
        texts = {"placement/region": REGION, "iam/security-credentials/": "gate"}
        texts["iam/security-credentials/gate"] = json.dumps(role)
        what = request.match_info["what"]
        return web.Response(text=texts[what]) if what in texts else web.Response(status=404)


@asynccontextmanager
async def a_cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    await cloud.start()
    try:
        yield cloud
    finally:
        await cloud.stop()
    assert cloud.doubts == []
