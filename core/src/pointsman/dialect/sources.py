"""Whose request it is: what requests are counted under (`sourceCriterion`, middlewares.md §2.5)."""

import re
from collections.abc import Callable
from typing import Final

from attrs import frozen

from pointsman.dialect.addresses import IPStrategyConfig, selector
from pointsman.errors import ConfigError, Problem
from pointsman.message import Request
from pointsman.values import option

Source = Callable[[Request], bytes]
"""The key of a request; requests with the same one are counted together. It may be anything a client sends."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@frozen
class SourceCriterionConfig:
    """`sourceCriterion`: at most one of its options."""

    ip_strategy: IPStrategyConfig | None = option("ipStrategy", default=None, allow_empty=True)
    request_header_name: str = ""
    request_host: bool = False


def remote_address(request: Request) -> bytes:
    """Whoever is at the other end of the connection."""
    return request.link.client.host.encode("latin-1", "replace")


def request_host(request: Request) -> bytes:
    """The host that is asked for, in lower case and without port: who changes those is not another source."""
    return request.host


def source(criterion: SourceCriterionConfig | None, default: Source) -> Source:
    """How requests are told apart; by `default` where nothing is said. ConfigError for more than one criterion."""
    if criterion is None:
        return default
    by_ip, header, host = criterion.ip_strategy, criterion.request_header_name, criterion.request_host
    for one, other, names in (
        (by_ip, header, "iPStrategy and RequestHeaderName"),
        (by_ip, host, "iPStrategy and RequestHost"),
        (header, host, "requestHost and requestHeaderName"),
    ):
        if one and other:
            raise ConfigError(Problem("", f"{names} are mutually exclusive; keep one of them"))
    if header:
        return _by_header(header)
    if host:
        return request_host
    if by_ip is None:
        return default
    select = selector(by_ip)
    return lambda request: select(request).encode("latin-1", "replace")


def _by_header(header: str) -> Source:
    """The first value of a header, b"" where it is absent: all requests without it are one source."""
    if not _NAME.fullmatch(header):
        raise ConfigError(Problem("requestHeaderName", f"'{header}' is no name of a header"))
    name = header.lower().encode()
    if name == b"host":
        return request_host
    return lambda request: request.headers.get(name) or b""
