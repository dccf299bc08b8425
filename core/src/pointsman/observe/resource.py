"""Who sends telemetry: the attributes of this process (operations.md §5.2)."""

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pointsman.spans import AttributeValue, Resource

SERVICE: Final = "traefik"
"""What a gateway is called that nobody gave a name, as users of the dialect know it."""
_CONTAINER: Final = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)", re.MULTILINE)
_POD: Final = re.compile(r"/pods/([0-9a-f-]{36})/|/pod([0-9a-f-]{36})")
_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


def resource(
    service: str, configured: Mapping[str, str], version: str, environ: Mapping[str, str], root: str = "/"
) -> Resource:
    """What the process sees of itself, then the configuration, then `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.

    The later ones win.

    Command-line arguments are left out: flags may hold secrets.
    """
    attributes: dict[str, AttributeValue] = {
        **_of_the_host(),
        **_of_the_process(),
        **_of_the_container(Path(root), environ),
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "pointsman",
        "telemetry.sdk.version": version,
        "service.name": service or SERVICE,
        "service.version": version,
        **configured,
        **_from_environment(environ.get("OTEL_RESOURCE_ATTRIBUTES", "")),
    }
    if named := environ.get("OTEL_SERVICE_NAME", ""):
        attributes["service.name"] = named
    return Resource(attributes, version)


def _of_the_host() -> dict[str, AttributeValue]:
    return {
        "host.name": socket.gethostname(),
        "host.arch": platform.machine(),
        "os.type": platform.system().lower(),
        "os.description": platform.platform(),
    }


def _of_the_process() -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "process.pid": os.getpid(),
        "process.executable.name": Path(sys.executable).name,
        "process.executable.path": sys.executable,
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
        "process.runtime.description": sys.version.replace("\n", " "),
    }
    try:
        attributes["process.owner"] = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        attributes["process.owner"] = str(os.getuid())
    return attributes


def _of_the_container(root: Path, environ: Mapping[str, str]) -> dict[str, AttributeValue]:
    groups = _read(root / "proc/self/cgroup")
    mounts = _read(root / "proc/self/mountinfo")
    attributes: dict[str, AttributeValue] = {}
    container = _CONTAINER.search(groups)
    if container is not None:
        attributes["container.id"] = container[1]
    if "KUBERNETES_SERVICE_HOST" in environ:
        pod = _POD.search(mounts) or _POD.search(groups)
        found = {
            "k8s.pod.uid": (pod[1] or pod[2]) if pod is not None else "",
            "k8s.pod.name": socket.gethostname(),
            "k8s.namespace.name": _read(root / _NAMESPACE.lstrip("/")).strip(),
        }
        attributes |= {name: value for name, value in found.items() if value}
    return attributes


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _from_environment(written: str) -> dict[str, str]:
    """`key=value,key=value`, percent-encoded (OpenTelemetry's resource SDK); what is no pair is passed over."""
    pairs = (part.partition("=") for part in written.split(","))
    return {unquote(key.strip()): unquote(value.strip()) for key, mark, value in pairs if mark and key.strip()}
