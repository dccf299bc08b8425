"""For plugin authors and our own tests: builders, fakes, a scripted upstream, a raw client and a real gateway.

`build`, `a_request`, `answering` and `a_chain` make unit tests without sockets; `upstream`, `connect` and `gateway` speak
over real ones, on 127.0.0.1 only. Fixtures come with `pytest_plugins = ["pointsman.testing.pytest_plugin"]`.
"""

from pointsman.testing.builders import FakeContext, a_chain, a_request, a_span, answering, build
from pointsman.testing.gateways import Gateway, free_port, gateway
from pointsman.testing.upstreams import (
    BODY,
    CLOSE,
    PIPE,
    RESET,
    Step,
    Upstream,
    answer,
    chunked,
    echo,
    refusing,
    upgrade,
    upstream,
)
from pointsman.testing.wire import Message, RawClient, connect, eventually

__all__ = [
    "BODY",
    "CLOSE",
    "PIPE",
    "RESET",
    "FakeContext",
    "Gateway",
    "Message",
    "RawClient",
    "Step",
    "Upstream",
    "a_chain",
    "a_request",
    "a_span",
    "answer",
    "answering",
    "build",
    "chunked",
    "connect",
    "echo",
    "eventually",
    "free_port",
    "gateway",
    "refusing",
    "upgrade",
    "upstream",
]
