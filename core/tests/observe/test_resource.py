"""Who sends telemetry."""

import socket
from pathlib import Path

from pointsman.observe.resource import resource

CONTAINER = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605"
POD = "43e1a2b6-7f4f-4d9c-8c3a-0a8f7a1f5a55"


def test_it_says_which_process_on_which_host_without_what_flags_say() -> None:
    found = resource("shop", {"team": "blue"}, "1.2.3", {})
    assert found.service_name == "shop"
    assert found.version == found.attributes["service.version"] == "1.2.3"
    assert found.attributes["host.name"] == socket.gethostname()
    assert found.attributes["team"] == "blue"
    assert {"os.type", "process.pid", "process.owner", "process.runtime.name", "telemetry.sdk.name"} <= set(found.attributes)
    assert not any("command" in name for name in found.attributes)
    assert not any(name.startswith("k8s.") for name in found.attributes)


def test_the_environment_wins_over_the_configuration() -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "team=red%2C,service.name=x,odd,=y", "OTEL_SERVICE_NAME": "front"}
    found = resource("shop", {"team": "blue"}, "1", environ)
    assert (found.service_name, found.attributes["team"]) == ("front", "red,")
    assert resource("", {}, "1", {}).service_name == "traefik"


def test_a_container_and_a_pod_are_known_by_their_ids(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"0::/system.slice/docker-{CONTAINER}.scope\n")
    (tmp_path / "proc/self/mountinfo").write_text(f"1 2 /var/lib/kubelet/pods/{POD}/etc-hosts /etc/hosts\n")
    place = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    place.mkdir(parents=True)
    (place / "namespace").write_text("gates\n")

    bare = resource("", {}, "1", {}, str(tmp_path)).attributes
    assert bare["container.id"] == CONTAINER
    assert "k8s.pod.uid" not in bare
    found = resource("", {}, "1", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, str(tmp_path)).attributes
    assert (found["k8s.pod.uid"], found["k8s.namespace.name"]) == (POD, "gates")
