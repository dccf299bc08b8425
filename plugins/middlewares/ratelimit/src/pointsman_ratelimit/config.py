"""What users write (middlewares.md §3.17)."""

from typing import Literal

from attrs import field, frozen
from attrs.validators import ge

from pointsman import Duration, Secret, allow_empty, option
from pointsman.dialect.client_tls import ClientTLS
from pointsman.dialect.sources import SourceCriterionConfig

OnFailure = Literal["deny", "allow", "local"]


def _check_period(_: object, attribute: object, period: float) -> None:
    if period < 0:
        raise ValueError(f"negative value not valid for period: {period:g}s")


@frozen
class SentinelConfig:
    """New in Pointsman: `endpoints` are Sentinels, which are asked where the master is."""

    master_name: str = "mymaster"
    username: str = ""
    password: Secret = field(default=Secret(""), repr=False)


@frozen
class RedisConfig:
    endpoints: tuple[str, ...] = ("localhost:6379",)
    username: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    db: int = field(default=0, validator=ge(0))
    pool_size: int = field(default=0, validator=ge(0))
    min_idle_conns: int = field(default=0, validator=ge(0))
    max_active_conns: int = field(default=0, validator=ge(0))
    read_timeout: Duration = Duration(3.0)
    write_timeout: Duration = Duration(3.0)
    dial_timeout: Duration = Duration(5.0)
    tls: ClientTLS | None = option("tls", default=None, allow_empty=True)
    sentinel: SentinelConfig | None = option("sentinel", default=None, allow_empty=True)
    on_failure: OnFailure = "deny"


@frozen
class RateLimitConfig:
    average: int = field(default=0, validator=ge(0))
    period: Duration = field(default=Duration(1.0), validator=_check_period)
    burst: int = 1
    source_criterion: SourceCriterionConfig | None = allow_empty(default=None)
    redis: RedisConfig | None = allow_empty(default=None)
    rate_limit_headers: bool = False
