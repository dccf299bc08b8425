"""What users write below `tracing.otlp`, and what all signals have in common (operations.md §3.6, §5.2)."""

from typing import Protocol

from attrs import Attribute, field, frozen

from pointsman import Secret, allow_empty
from pointsman.dialect.client_tls import ExporterTLS


@frozen
class OTLPHTTP:
    """HTTP with protobuf in it."""

    endpoint: str = "https://localhost:4318"
    headers: dict[str, Secret] = field(factory=dict, repr=False)
    tls: ExporterTLS | None = None


def _one_of_two(grpc: "OTLPGRPC", attribute: "Attribute[bool]", insecure: bool) -> None:
    if insecure and grpc.tls is not None:
        raise ValueError("insecure and tls exclude each other")


@frozen
class OTLPGRPC:
    """gRPC, over TLS unless it is `insecure`."""

    endpoint: str = "localhost:4317"
    tls: ExporterTLS | None = None
    insecure: bool = field(default=False, validator=_one_of_two)
    headers: dict[str, Secret] = field(factory=dict, repr=False)


class Way(Protocol):
    """The part of every OTLP configuration that says where the collector is."""

    @property
    def http(self) -> OTLPHTTP | None: ...

    @property
    def grpc(self) -> OTLPGRPC | None:
        """If present it wins over `http`."""


@frozen
class OTLPConfig:
    """`tracing.otlp`: HTTP to localhost if it says nothing."""

    http: OTLPHTTP | None = allow_empty(default=None)
    grpc: OTLPGRPC | None = allow_empty(default=None)


@frozen
class OTLPLogsConfig:
    """`log.otlp` and `accessLog.otlp`."""

    service_name: str = "traefik"
    resource_attributes: dict[str, str] = field(factory=dict)
    http: OTLPHTTP | None = allow_empty(default=None)
    grpc: OTLPGRPC | None = allow_empty(default=None)
