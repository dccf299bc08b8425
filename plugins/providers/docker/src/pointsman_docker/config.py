"""What users write below `providers.docker` and `providers.swarm` (providers.md §5.1, §5.2)."""

from typing import Final

from attrs import field, frozen
from attrs.validators import ge

from pointsman import Duration, Secret, Url, option
from pointsman.dialect.client_tls import ExporterTLS

DEFAULT_ENDPOINT: Final = Url("unix:///var/run/docker.sock")


@frozen
class Common:
    """What both have."""

    endpoint: Url = option(default=DEFAULT_ENDPOINT, help="Where the engine is: unix, tcp, http, https or ssh")
    username: str = option(default="", help="User of HTTP basic authentication")
    password: Secret = option(default=Secret(""), repr=False, help="Password of HTTP basic authentication")
    tls: ExporterTLS | None = field(default=None)
    http_client_timeout: Duration = option(
        name="httpClientTimeout", default=Duration(0.0), validator=ge(0), help="How long a call may take; 0 is 60 s"
    )
    exposed_by_default: bool = option(default=True, help="Expose what does not say traefik.enable")
    constraints: str = option(default="", help="An expression that labels must fulfil")
    default_rule: str = option(default="", help="Template of rules of routers that have none")
    network: str = option(default="", help="The network whose addresses are used")
    use_bind_port_ip: bool = option(
        name="useBindPortIP", default=False, help="Use the host's side of published ports instead of containers' addresses"
    )
    watch: bool = option(default=True, help="Follow changes")
    allow_empty_services: bool = option(default=False, help="Keep services that have no server that is well")


@frozen
class DockerConfig(Common):
    """`providers.docker`"""


@frozen
class SwarmConfig(Common):
    """`providers.swarm`"""

    refresh_seconds: Duration = option(default=Duration(15.0), help="How often to look; 15 s if it is not above 0")


@frozen
class DockerLabels:
    """`traefik.docker.*`"""

    network: str = ""
    allow_non_running: bool = False
    lb_swarm: bool = option(name="lbswarm", default=False)
    """Without effect."""


@frozen
class SwarmLabels:
    """`traefik.swarm.*`, and its deprecated twin `traefik.docker.*`"""

    network: str = ""
    lb_swarm: bool = option(name="lbswarm", default=False)
