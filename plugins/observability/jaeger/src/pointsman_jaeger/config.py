"""What users write below `tracing.jaeger`: the options of Traefik v2, as far as they mean something to Jaeger of today."""

from typing import Literal
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen
from attrs.validators import ge, matches_re

from pointsman import Secret, option
from pointsman.dialect.client_tls import ExporterTLS

WAY_OUT = "Jaeger takes OTLP since 1.35; write collector.endpoint: http://host:4318"
_THRIFT_PATH = "/api/traces"
_THRIFT_PORT = 14268


def _no_agent(config: object, attribute: "Attribute[str | None]", value: str | None) -> None:
    if value is not None:
        raise ValueError(f"agents are no part of Jaeger any more; {WAY_OUT}, and leave this out")


def _no_thrift(config: object, attribute: "Attribute[str]", value: str) -> None:
    try:
        parts = urlsplit(value)
        old = parts.path == _THRIFT_PATH or parts.port == _THRIFT_PORT
    except ValueError:
        return  # said where it is used
    if old:
        raise ValueError(f"this is where Jaeger takes thrift, which is not spoken here; {WAY_OUT}")


def _share(config: "JaegerConfig", attribute: "Attribute[str]", kind: str) -> None:
    if kind in ("probabilistic", "remote") and config.sampling_param > 1:
        raise ValueError(f"{kind} needs a samplingParam from 0 to 1, got {config.sampling_param:g}")


@frozen
class JaegerCollector:
    endpoint: str = field(default="http://localhost:4318", validator=_no_thrift)
    user: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    tls: ExporterTLS | None = None
    """New."""


@frozen
class JaegerConfig:
    sampling_server_url: str = option("samplingServerURL", default="http://localhost:5778/sampling")
    sampling_param: float = field(default=1.0, validator=ge(0))
    sampling_type: Literal["const", "probabilistic", "rateLimiting", "remote"] = field(default="const", validator=_share)
    propagation: Literal["jaeger", "b3"] = "jaeger"
    trace_context_header_name: str = field(default="uber-trace-id", validator=matches_re(r"[A-Za-z0-9-]+"))
    gen128_bit: bool = option("gen128Bit", default=False)
    collector: JaegerCollector = field(factory=JaegerCollector)
    local_agent_host_port: str | None = field(default=None, validator=_no_agent)
    disable_attempt_reconnecting: bool = True
