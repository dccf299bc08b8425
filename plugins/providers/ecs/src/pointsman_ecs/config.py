"""What users write below `providers.ecs`."""

import re
from typing import Any, Final

from attrs import frozen
from attrs.validators import ge, le

from pointsman import Secret, option

_REGION: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def is_region(text: str) -> bool:
    """Whether it can be part of a host name."""
    return len(text) <= 63 and _REGION.fullmatch(text) is not None


def _region(_: Any, __: Any, region: str) -> None:
    if region and not is_region(region):
        raise ValueError("is no AWS region; write one such as eu-central-1")


@frozen
class ECSConfig:
    clusters: tuple[str, ...] = option(default=("default",), help="Names or ARNs of the clusters whose tasks count")
    auto_discover_clusters: bool = option(default=False, help="Look at all clusters of the region instead of `clusters`")
    region: str = option(default="", validator=_region, help="AWS region; if empty, the environment's or this machine's")
    access_key_id: Secret = option(
        "accessKeyID", default=Secret(""), repr=False, help="AWS access key; if empty, credentials of the environment"
    )
    secret_access_key: Secret = option(default=Secret(""), repr=False, help="Secret of accessKeyID")
    refresh_seconds: int = option(default=15, validator=[ge(1), le(86_400)], help="Seconds between two looks")
    healthy_tasks_only: bool = option(default=False, help="Only tasks whose health checks say HEALTHY")
    ecs_anywhere: bool = option(default=False, help="Also tasks on external instances, which SSM knows")
    exposed_by_default: bool = option(default=True, help="Containers without traefik.enable count")
    constraints: str = option(default="", help="Which labels a container must have to count")
    default_rule: str = option(default="", help="Rule of HTTP routers that have none, a Go template")
