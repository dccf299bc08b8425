"""What Nomad knows of services, as instances: those that are registered, and those of groups scaled to zero."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from pointsman.dialect.instances import Instance
from pointsman_nomad.client import Nomad, NomadError, NotFound, segment
from pointsman_nomad.tags import ENABLE, labels_of, name_of


@frozen
class Catalogue:
    """Reads all of it. `enabled_only`: ask only for services with a tag that says `enable`."""

    nomad: Nomad = field(repr=False)
    prefix: str
    enabled_only: bool
    with_empty: bool

    async def instances(self) -> list[Instance]:
        """NomadError, also for answers that Nomad does not give."""
        try:
            found = await self._registered()
            return found + await self._empty() if self.with_empty else found
        except (AttributeError, KeyError, TypeError):
            raise NomadError(f"{self.nomad.url}: gave an answer that Nomad does not give") from None

    async def _registered(self) -> list[Instance]:
        stubs = [stub for each in await self.nomad.ask("services") for stub in each["Services"]]
        asked = [self._of_service(stub["ServiceName"], stub.get("Tags") or []) for stub in stubs]
        return [instance for several in await _all(asked) for instance in several]

    async def _of_service(self, name: str, tags: Sequence[str]) -> list[Instance]:
        """`tags` are those of all its instances."""
        only = {}
        if self.enabled_only:
            enabling = {tag for tag in tags if labels_of([tag], self.prefix).get(ENABLE) == "true"}
            if not enabling:
                return []
            if len(enabling) == 1:
                only["filter"] = f'Tags contains "{_escaped(*enabling)}"'
        return [self._instance(each) for each in await self.nomad.ask(f"service/{segment(name)}", **only)]

    def _instance(self, registration: Mapping[str, Any], *, empty: bool = False) -> Instance:
        name, tags = registration["ServiceName"], registration.get("Tags") or []
        labels = labels_of(tags, self.prefix)
        host, own_port = registration.get("Address") or "", registration.get("Port") or 0

        def address(port: int | None) -> tuple[str, int]:
            if not host:
                raise ValueError("address is missing")
            if not (port or own_port):
                raise ValueError("port is missing; give the service a port, or a tag ...loadbalancer.server.port")
            return host, port or own_port

        return Instance(
            key=f"service {name} ({registration['ID']})",
            name=name_of(name, tags, labels),
            labels=labels,
            address=address,
            tags=tags,
            empty=empty,
        )

    async def _empty(self) -> list[Instance]:
        jobs = [job["ID"] for job in await self.nomad.ask("jobs")]
        return [instance for several in await _all([self._of_job(job) for job in jobs]) for instance in several]

    async def _of_job(self, identity: str) -> list[Instance]:
        try:
            job = await self.nomad.ask(f"job/{segment(identity)}")
        except NotFound:
            return []  # purged since it was listed
        return [
            self._instance({"ServiceName": service["Name"], "ID": identity, "Tags": service.get("Tags")}, empty=True)
            for service in _scaled_to_zero(job)
        ]


def _scaled_to_zero(job: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Services, registered with Nomad, of groups that may grow again."""
    for group in job.get("TaskGroups") or []:
        if group.get("Count") == 0 and (group.get("Scaling") or {}).get("Enabled"):
            for part in (group, *(group.get("Tasks") or [])):
                yield from (service for service in part.get("Services") or [] if service.get("Provider") == "nomad")


async def _all(questions: Sequence[Coroutine[Any, Any, list[Instance]]]) -> list[list[Instance]]:
    """All answers. The first that fails ends the others."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
