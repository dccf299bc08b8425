"""One look at all clusters: which containers run, and where (providers.md §5.5)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pointsman.errors import Problem
from pointsman_ecs.calls import Calls
from pointsman_ecs.config import ECSConfig
from pointsman_ecs.definitions import Definitions
from pointsman_ecs.errors import Refused
from pointsman_ecs.tasks import Container, Seen, Task, TaskDefinition, definition_in, dicts, tasks_in, texts

T = TypeVar("T")
AT_ONCE: Final = 100
"""As many ARNs or ids as AWS takes in one call; SSM takes 50."""
SSM_AT_ONCE: Final = 50
EXTERNAL: Final = "mi-"


class Look:
    """`exposed` says whether a container with these labels counts: nothing is asked about others."""

    def __init__(
        self,
        config: ECSConfig,
        calls: Calls,
        definitions: Definitions,
        exposed: Callable[[Mapping[str, str]], bool],
    ) -> None:
        self._config = config
        self._calls = calls
        self._definitions = definitions
        self._exposed = exposed
        self._problems: list[Problem] = []
        self._undefined: set[str] = set()

    async def around(self) -> Seen:
        """AWSError if anything is not told; a cluster that there is not is only a problem, unless there is none at all."""
        clusters = await self._clusters()
        found: list[tuple[Container, str]] = []
        missing = []
        for cluster in clusters:
            try:
                found += await self._in_cluster(cluster)
            except Refused as error:
                if error.code != "ClusterNotFoundException":
                    raise
                missing.append((cluster, error))
        if missing and len(missing) == len(clusters) and not self._config.auto_discover_clusters:
            raise missing[0][1]
        if not self._config.auto_discover_clusters:
            self._problems += (Problem("providers.ecs.clusters", f"there is no cluster '{name}'") for name, _ in missing)
        found.sort(key=lambda each: each[0].key)
        return Seen(tuple(found), tuple(sorted(self._problems, key=str)))

    async def _clusters(self) -> Sequence[str]:
        if not self._config.auto_discover_clusters:
            return list(dict.fromkeys(self._config.clusters))
        pages = self._calls.pages("ecs", "ListClusters", "nextToken")
        return [arn async for page in pages for arn in texts(page, "clusterArns")]

    async def _in_cluster(self, cluster: str) -> list[tuple[Container, str]]:
        containers = []
        for task in await self._tasks(cluster):
            definition = await self._definition(task.definition)
            if definition is not None:
                containers += [each for each in task.containers(definition) if self._exposed(each.labels)]
        machines = {each.machine for each in containers if each.machine}
        addresses = await self._machines(cluster, sorted(machines)) if machines else {}
        return [(each, each.host or addresses.get(each.machine, "")) for each in containers]

    async def _tasks(self, cluster: str) -> list[Task]:
        pages = self._calls.pages("ecs", "ListTasks", "nextToken", cluster=cluster, desiredStatus="RUNNING")
        arns = [arn async for page in pages for arn in texts(page, "taskArns")]
        found: list[Task] = []
        for some in _portions(arns, AT_ONCE):
            found += tasks_in(await self._calls.json("ecs", "DescribeTasks", cluster=cluster, tasks=some))
        return [task for task in found if task.healthy or not self._config.healthy_tasks_only]

    async def _definition(self, arn: str) -> TaskDefinition | None:
        """None for one that cannot be had: its tasks are left out."""
        known = self._definitions.get(arn)
        if known is not None or arn in self._undefined:
            return known
        try:
            answer = await self._calls.json("ecs", "DescribeTaskDefinition", taskDefinition=arn)
        except Refused as error:
            if error.code not in ("ClientException", "InvalidParameterException"):
                raise
            self._undefined.add(arn)
            self._problems.append(Problem("providers.ecs", f"the tasks of {arn} are left out: {error}"))
            return None
        definition = definition_in(answer)
        self._definitions.keep(arn, definition)
        return definition

    async def _machines(self, cluster: str, arns: list[str]) -> dict[str, str]:
        """Addresses by ARN of container instances."""
        ids: dict[str, str] = {}
        for some in _portions(arns, AT_ONCE):
            answer = await self._calls.json("ecs", "DescribeContainerInstances", cluster=cluster, containerInstances=some)
            ids |= {str(each.get("containerInstanceArn")): str(each.get("ec2InstanceId")) for each in _known(answer)}
        addresses: dict[str, str] = {}
        for some in _portions(sorted(each for each in ids.values() if not each.startswith(EXTERNAL)), AT_ONCE):
            addresses |= await self._calls.ec2_instances(some)
        external = sorted(each for each in ids.values() if each.startswith(EXTERNAL))
        if self._config.ecs_anywhere:
            for some in _portions(external, SSM_AT_ONCE):
                addresses |= await self._external(some)
        elif external:
            message = "containers on external instances have no address; say 'ecsAnywhere: true' to have SSM asked"
            problem = Problem("providers.ecs.ecsAnywhere", message, warning=True)
            self._problems += [] if problem in self._problems else [problem]
        return {arn: addresses[each] for arn, each in ids.items() if each in addresses}

    async def _external(self, ids: list[str]) -> dict[str, str]:
        only = [{"Key": "InstanceIds", "Values": ids}]
        pages = self._calls.pages("ssm", "DescribeInstanceInformation", "NextToken", Filters=only, MaxResults=SSM_AT_ONCE)
        return {
            str(each.get("InstanceId")): str(each["IPAddress"])
            async for page in pages
            for each in dicts(page, "InstanceInformationList")
            if each.get("IPAddress")
        }


def _known(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [each for each in dicts(answer, "containerInstances") if each.get("ec2InstanceId")]


def _portions(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
