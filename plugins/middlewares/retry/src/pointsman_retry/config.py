"""What users write under `retry` (middlewares.md §3.22)."""

from attrs import field, frozen
from attrs.validators import ge

from pointsman import Duration

DEFAULT_BODY_BYTES = 2 * 1024 * 1024


@frozen
class RetryConfig:
    attempts: int = 0
    initial_interval: Duration = field(default=Duration(0), validator=ge(Duration(0)))
    timeout: Duration = field(default=Duration(0), validator=ge(Duration(0)))
    status: tuple[str, ...] = ()
    max_request_body_bytes: int = DEFAULT_BODY_BYTES
    disable_retry_on_network_error: bool = False
    retry_non_idempotent_method: bool = False
