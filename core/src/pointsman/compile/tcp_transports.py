"""`serversTransport` of TCP, dynamic and static, as connections need them (routing.md §7.2)."""

from pointsman.compile.transports import client_tls
from pointsman.config.static import StaticTCPServersTransport
from pointsman.config.tcp_model import TCPServersTransport
from pointsman.config.tls_model import ClientTLS
from pointsman.errors import ConfigError, Problem
from pointsman.net.client_tls import SYSTEM
from pointsman.upstream.tcp import TcpSettings

KEEP_ALIVE_SECONDS = 15.0


def tcp_settings(config: TCPServersTransport, path: str) -> tuple[TcpSettings, list[Problem]]:
    """A `tcp.serversTransports` entry, and warnings. ConfigError for one that cannot be used as it is meant."""
    proxy = config.proxy_protocol
    if proxy is not None and proxy.version not in (1, 2):
        raise ConfigError(Problem(f"{path}.proxyProtocol.version", f"unknown version {proxy.version}; write 1 or 2"))
    tls, warnings = client_tls(config.tls, f"{path}.tls") if config.tls is not None else (SYSTEM, [])
    settings = TcpSettings(
        dial_timeout=max(0.0, config.dial_timeout),
        keep_alive=_keep_alive(config.dial_keep_alive),
        termination_delay=config.termination_delay,
        proxy_version=proxy.version if proxy is not None else 0,
        tls=tls,
    )
    return settings, warnings


def default_tcp_settings(static: StaticTCPServersTransport) -> tuple[TcpSettings, list[Problem]]:
    """`default@internal`, and warnings."""
    written = static.tls
    config = TCPServersTransport(
        dial_timeout=static.dial_timeout,
        dial_keep_alive=static.dial_keep_alive,
        termination_delay=static.termination_delay,
        tls=ClientTLS(insecure_skip_verify=written.insecure_skip_verify, root_cas=written.root_cas) if written else None,
    )
    return tcp_settings(config, "tcpServersTransport")


def _keep_alive(seconds: float) -> float:
    """0 is 15 s, and negative is off."""
    return KEEP_ALIVE_SECONDS if seconds == 0 else max(0.0, seconds)
