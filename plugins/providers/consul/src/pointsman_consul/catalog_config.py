"""Options of `providers.consulCatalog` (providers.md §5.3)."""

from typing import Final

from attrs import field, frozen

from pointsman import Duration, Secret, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError, Problem
from pointsman_consul.access import Access, Wanted, reach
from pointsman_consul.services import STATES

PATH: Final = "providers.consulCatalog"


@frozen
class HttpAuth:
    username: str = option(default="", help="The user")
    password: Secret = option(default=Secret(""), repr=False, help="The password")


@frozen
class Endpoint:
    address: str = option(default="", help="The agent to ask: host:port, https://host:port or unix:///path")
    scheme: str = option(default="", help="http or https")
    datacenter: str = option(default="", help="Whose services; the agent's own if it is not said")
    token: Secret = option(default=Secret(""), repr=False, help="The ACL token to read with")
    endpoint_wait_time: Duration = option(default=Duration(0), help="How long a blocking query waits; 0 is one minute")
    tls: ExporterTLS | None = option(default=None, help="How to trust the agent, and what to show to it")
    http_auth: HttpAuth | None = option(default=None, help="Basic authentication")


@frozen
class ConsulCatalogConfig:
    endpoint: Endpoint = field(factory=Endpoint)
    prefix: str = option(default="traefik", help="What tags begin with that say something to the gateway")
    refresh_interval: Duration = option(default=Duration(15), help="How often to ask, without watch")
    watch: bool = option(default=False, help="Be told of changes in place of asking again and again")
    require_consistent: bool = option(default=False, help="Have Consul make sure that its leader is still the leader")
    stale: bool = option(default=False, help="Let any server of Consul answer, also one that lags behind")
    cache: bool = option(default=False, help="Let the agent answer from its cache")
    exposed_by_default: bool = option(default=True, help="Every service counts unless it says otherwise")
    default_rule: str = option(default="", help="The rule of routers that have none, a template")
    constraints: str = option(default="", help="Which instances count, by their tags")
    connect_aware: bool = option(default=False, help="Take part in Consul's mesh")
    connect_by_default: bool = option(default=False, help="Every service is in the mesh unless it says otherwise")
    service_name: str = option(default="traefik", help="This gateway's name in the mesh")
    strict_checks: list[str] = option(
        factory=lambda: ["passing", "warning"], help="The states in which an instance counts; any: all"
    )
    namespaces: list[str] = option(factory=list, help="Namespaces of Consul Enterprise, each a provider of its own")


def check(config: ConsulCatalogConfig) -> None:
    """ConfigError for options that cannot be, alone or together."""
    problems = []
    if config.require_consistent and config.stale:
        problems.append(Problem(f"{PATH}.stale", "contradicts requireConsistent; leave one of them out"))
    if config.connect_by_default and not config.connect_aware:
        problems.append(Problem(f"{PATH}.connectByDefault", "leaves no service without connectAware; set that, too"))
    if config.refresh_interval <= 0:
        problems.append(Problem(f"{PATH}.refreshInterval", "must be more than 0"))
    if not 0 <= config.endpoint.endpoint_wait_time <= 600:
        problems.append(Problem(f"{PATH}.endpoint.endpointWaitTime", "must be from 0 to 10m, the most that Consul waits"))
    if config.endpoint.scheme.lower() not in ("", "http", "https"):
        problems.append(Problem(f"{PATH}.endpoint.scheme", f"is {config.endpoint.scheme!r}, and should be http or https"))
    if not config.prefix:
        problems.append(Problem(f"{PATH}.prefix", "cannot be empty; write one such as 'traefik'"))
    if unknown := [state for state in config.strict_checks if state.lower() not in (*STATES, "any")]:
        message = f"{unknown[0]!r} is no state; write any, or some of {', '.join(STATES)}"
        problems.append(Problem(f"{PATH}.strictChecks", message))
    if problems:
        raise ConfigError(problems)


def access_of(config: ConsulCatalogConfig) -> Access:
    """The agent to ask. ConfigError if there is no telling."""
    endpoint, auth = config.endpoint, config.endpoint.http_auth or HttpAuth()
    return reach(
        Wanted(
            path=f"{PATH}.endpoint",
            address=endpoint.address,
            address_path=f"{PATH}.endpoint.address",
            scheme=endpoint.scheme,
            token=endpoint.token,
            tls=endpoint.tls,
            tls_path=f"{PATH}.endpoint.tls",
            username=auth.username,
            password=auth.password,
            datacenter=endpoint.datacenter,
            namespace="".join(config.namespaces[:1]),
        )
    )
