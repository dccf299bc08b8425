"""The one server of an instance, from the `server` block of its labels and its address (providers.md §3.5, §5)."""

from collections.abc import Callable, Mapping
from typing import Any

from pointsman.config.scalars import shown, to_int
from pointsman.dialect.instances.instance import Address, Instance

MakeServer = Callable[[Mapping[str, Any], Instance, Address], dict[str, Any]]
"""A server in the dialect's spelling. ValueError says why there is none."""


def http_server(block: Mapping[str, Any], instance: Instance, address: Address) -> dict[str, Any]:
    rest = {key: value for key, value in block.items() if key not in ("url", "scheme", "port")}
    if block.get("url"):
        if block.get("scheme") or block.get("port"):
            raise ValueError("defining scheme or port is not allowed when URL is defined; say either 'url' or those two")
        return {"url": block["url"], **rest}
    scheme = "https" if instance.transport else block.get("scheme") or "http"
    return {"url": f"{scheme}://{_authority(address(_port(block)))}", **rest}


def tcp_server(block: Mapping[str, Any], instance: Instance, address: Address) -> dict[str, Any]:
    rest = {key: value for key, value in block.items() if key not in ("address", "port")}
    if instance.transport:
        rest["tls"] = True
    return {"address": _authority(address(_port(block))), **rest}


def udp_server(block: Mapping[str, Any], instance: Instance, address: Address) -> dict[str, Any]:
    return {"address": _authority(address(_port(block)))}


def _port(block: Mapping[str, Any]) -> int | None:
    raw = block.get("port")
    if raw is None or raw == "":
        return None
    try:
        port = to_int(raw)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ValueError(f"server.port is {shown(raw)}; expected a number from 1 to 65535")
    return port


def _authority(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
