"""Tasks and their definitions, as ECS describes them, and the containers that run in them. Pure.

What is left out of an answer, or is of another type than documented, counts as not said.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from pointsman.errors import Problem

AWSVPC: Final = "awsvpc"


@frozen
class Ports:
    """So many ports of a container from one on, and where they are reached."""

    container: int
    host: int
    count: int = 1

    def reached(self, port: int) -> int | None:
        """Where a port of the container is reached, if it is among these."""
        beyond = port - self.container
        return self.host + beyond if 0 <= beyond < self.count else None


@frozen
class ContainerDefinition:
    labels: Mapping[str, str]
    ports: tuple[Ports, ...]
    """As the container itself has them."""


@frozen
class TaskDefinition:
    network_mode: str
    containers: Mapping[str, ContainerDefinition]


@frozen
class Container:
    """One that runs and is not unhealthy."""

    task: str
    """Id of the task."""
    name: str
    group: str
    labels: Mapping[str, str]
    machine: str
    """ARN of the container instance whose address it has; "" if it has its own."""
    host: str
    """Its own address."""
    ports: tuple[Ports, ...]

    @property
    def key(self) -> str:
        return f"container {self.name} of task {self.task}"

    def port(self, asked: int | None) -> int:
        """Where a port of the container is reached; without one, the lowest port there is. ValueError if there is none."""
        if asked is None:
            if not self.ports:
                raise ValueError("port is missing; say it in the label '...loadbalancer.server.port'")
            return min(ports.host for ports in self.ports)
        return next((reached for ports in self.ports if (reached := ports.reached(asked)) is not None), asked)


@frozen
class Seen:
    """What one look found; equal to another that found the same."""

    containers: tuple[tuple[Container, str], ...] = ()
    """Each with its address, "" if nobody knows it."""
    problems: tuple[Problem, ...] = ()


@frozen
class Task:
    """A task that runs."""

    definition: str
    """ARN."""
    healthy: bool
    """Its health checks say so; False, too, if it has none."""
    machine: str
    group: str
    id: str
    _containers: tuple[Mapping[str, Any], ...] = field(repr=False)

    def containers(self, definition: TaskDefinition) -> Iterator[Container]:
        """Those that run. Sidecars that the definition does not know are none of them."""
        own = definition.network_mode == AWSVPC
        for raw in self._containers:
            name = _text(raw, "name")
            known = definition.containers.get(name)
            if known is None or _text(raw, "lastStatus") not in ("", "RUNNING") or _text(raw, "healthStatus") == "UNHEALTHY":
                continue
            ports = known.ports if own else _bindings(raw)
            if not ports and definition.network_mode == "host":
                ports = known.ports
            machine, host = ("", _own_address(raw)) if own else (self.machine, "")
            yield Container(self.id, name, self.group, known.labels, machine, host, ports)


def tasks_in(answer: Mapping[str, Any]) -> Iterator[Task]:
    """Those of DescribeTasks that run and are not unhealthy."""
    for raw in dicts(answer, "tasks"):
        health = _text(raw, "healthStatus")
        if _text(raw, "lastStatus") == "RUNNING" and health != "UNHEALTHY":
            yield Task(
                _text(raw, "taskDefinitionArn"),
                health == "HEALTHY",
                _text(raw, "containerInstanceArn"),
                _text(raw, "group"),
                _text(raw, "taskArn").rpartition("/")[2],
                tuple(dicts(raw, "containers")),
            )


def definition_in(answer: Mapping[str, Any]) -> TaskDefinition:
    """The one of DescribeTaskDefinition."""
    raw = answer.get("taskDefinition")
    raw = raw if isinstance(raw, dict) else {}
    containers = {
        _text(each, "name"): ContainerDefinition(
            _labels(each.get("dockerLabels")),
            tuple(_ports(mapping, "containerPort", "containerPort") for mapping in _mappings(each, "portMappings")),
        )
        for each in dicts(raw, "containerDefinitions")
    }
    return TaskDefinition(_text(raw, "networkMode"), containers)


def dicts(answer: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer."""
    found = answer.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(answer: Mapping[str, Any], key: str) -> list[str]:
    """The strings in a list of an answer."""
    found = answer.get(key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _text(raw: Mapping[str, Any], key: str) -> str:
    found = raw.get(key)
    return found if isinstance(found, str) else ""


def _labels(raw: Any) -> dict[str, str]:
    return {key: value for key, value in raw.items() if isinstance(value, str)} if isinstance(raw, dict) else {}


def _own_address(raw: Mapping[str, Any]) -> str:
    interfaces = dicts(raw, "networkInterfaces")
    addresses = [_text(each, key) for key in ("privateIpv4Address", "ipv6Address") for each in interfaces]
    return next(filter(None, addresses), "")


def _bindings(raw: Mapping[str, Any]) -> tuple[Ports, ...]:
    """Where a container's ports are reached on its machine: those of IPv4 where a port has several, TCP before UDP."""
    bindings = list(_mappings(raw, "networkBindings"))
    bindings.sort(key=lambda binding: (":" in _text(binding, "bindIP"), _text(binding, "protocol") == "udp"))
    found: dict[tuple[int, str], Ports] = {}
    for binding in bindings:
        ports = _ports(binding, "containerPort", "hostPort")
        found.setdefault((ports.container, _text(binding, "protocol")), ports)
    return tuple(found.values())


def _mappings(raw: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    return (each for each in dicts(raw, key) if _first(each, "containerPort"))


def _ports(raw: Mapping[str, Any], container: str, host: str) -> Ports:
    """Of a mapping, which has `containerPort` or, for several, `containerPortRange` (`8000-8009`)."""
    first, last = _first(raw, container), _last(raw, container)
    reached = _first(raw, host) or first
    return Ports(first, reached, min(last - first + 1, 65_536 - reached))


def _first(raw: Mapping[str, Any], key: str) -> int:
    """0 if there is no such port."""
    return _range(raw, key)[0]


def _last(raw: Mapping[str, Any], key: str) -> int:
    return _range(raw, key)[1]


def _range(raw: Mapping[str, Any], key: str) -> tuple[int, int]:
    single = raw.get(key)
    if type(single) is int:
        first = last = single
    else:
        begin, _, end = _text(raw, f"{key}Range").partition("-")
        if not (begin.isascii() and begin.isdigit() and end.isascii() and end.isdigit() and len(begin + end) <= 10):
            return 0, 0
        first, last = int(begin), int(end)
    return (first, last) if 0 < first <= last < 65_536 else (0, 0)
