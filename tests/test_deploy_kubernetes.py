"""What deploy/ brings for Kubernetes: sound YAML, rights that providers need and no other, definitions that agree."""

import importlib.machinery
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from pointsman.config.static import structure_static
from pointsman.plugins import load_registry
from pointsman.testing import FakeContext
from pointsman_kubernetes.kinds import TRAEFIK

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy" / "kubernetes"
ROLES = {
    "kubernetesIngress": "pointsman-ingress",
    "kubernetesCRD": "pointsman-crd",
    "kubernetesGateway": "pointsman-gateway",
    "kubernetesIngressNGINX": "pointsman-ingress-nginx",
    "knative": "pointsman-knative",
}
OF_THE_SPEC = {
    "Ingress": "kubernetesIngress",
    "CRD": "kubernetesCRD",
    "Gateway": "kubernetesGateway",
    "nginx": "kubernetesIngressNGINX",
    "Knative": "knative",
}


def objects(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def granted(rules):
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture(scope="module")
def roles():
    return {
        each["metadata"]["name"]: granted(each["rules"]) for each in objects("rbac.yaml") if each["kind"] == "ClusterRole"
    }


def rows():
    """The table of rights in the specification: group, resources, verbs, and the providers they are for."""
    text = (ROOT / "docs" / "spec" / "kubernetes.md").read_text(encoding="utf-8")
    table = text.partition("### 1.4 RBAC")[2].partition("\n### ")[0]
    group, resources = "", ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or cells[0] == "API group" or set(cells[0]) == {"-"} or cells[1] == "pods":
            continue
        group = cells[0].strip('"')
        if cells[1].startswith("the same"):
            names, verbs = [f"{name}/status" for name in resources.split(", ")], [cells[2]]
            yield group, names, verbs, cells[3]
            continue
        resources = cells[1]
        if ";" in cells[1]:
            for several, verbs in zip(cells[1].split("; "), cells[2].split("; "), strict=True):
                yield group, several.split(", "), verbs.split(), cells[3]
        else:
            yield group, resources.split(", "), cells[2].split(), cells[3]


def providers(whom):
    named = {provider for word, provider in OF_THE_SPEC.items() if re.search(rf"\b{word}\b", whom)}
    if whom.startswith("all but"):
        return ROLES.keys() - named
    return ROLES.keys() if whom == "all" else named


def test_every_right_of_the_specification_is_granted_and_no_other(roles):
    wanted = {name: set() for name in ROLES.values()}
    for group, resources, verbs, whom in rows():
        assert providers(whom), whom
        for provider in providers(whom):
            wanted[ROLES[provider]] |= {(group, resource, verb) for resource in resources for verb in verbs}

    assert roles == wanted


def test_every_kind_that_a_provider_reads_may_be_listed_and_watched(roles):
    found = {name: cls for name, cls in load_registry().providers.items() if name in ROLES}
    assert found
    for name, cls in found.items():
        beside = {other: each.Config() for other, each in found.items()}  # some read more where another runs
        provider = cls(cls.Config(), FakeContext(name, providers=beside))
        asked = {(kind.group, kind.plural, verb) for kind in provider.kinds() for verb in ("list", "watch")}

        assert asked <= roles[ROLES[name]], name


def test_rights_in_a_namespace_are_those_for_ingresses_and_custom_resources_without_the_cluster(roles):
    role, binding = objects("rbac-namespaced.yaml")[-2:]
    of_the_cluster = {"nodes", "ingressclasses"}

    expected = {each for each in roles["pointsman-ingress"] | roles["pointsman-crd"] if each[1] not in of_the_cluster}
    assert granted(role["rules"]) == expected
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_nothing_is_written_but_statuses(roles):
    for rights in roles.values():
        assert {resource for _, resource, verb in rights if verb not in ("get", "list", "watch")} <= {
            resource for _, resource, _ in rights if resource.endswith("/status")
        }


def test_the_definitions_are_those_of_the_kinds_that_are_read():
    found = objects("crds.yaml")
    assert [each["metadata"]["name"] for each in found] == [kind.resource for kind in TRAEFIK]
    for kind, definition in zip(TRAEFIK, found, strict=True):
        spec = definition["spec"]
        (version,) = spec["versions"]
        assert definition["apiVersion"] == "apiextensions.k8s.io/v1"
        assert (spec["group"], version["name"], version["served"], version["storage"]) == (
            kind.group,
            kind.version,
            True,
            True,
        )
        assert (spec["names"]["kind"], spec["names"]["plural"], spec["scope"]) == (kind.name, kind.plural, "Namespaced")
        assert version["additionalPrinterColumns"][-1]["name"] == "Age"
        _check_structural(version["schema"]["openAPIV3Schema"], kind.name, root=True)


def _check_structural(schema, where, *, root=False):
    """What Kubernetes demands of schemas, and that objects below the spec keep what is not listed."""
    if schema.get("x-kubernetes-int-or-string"):
        assert "type" not in schema, where
        return
    assert schema["type"] in ("object", "array", "string", "boolean", "integer"), where
    if schema["type"] == "array":
        _check_structural(schema["items"], f"{where}[]")
    if schema["type"] == "object":
        assert root or schema["x-kubernetes-preserve-unknown-fields"] is True, where
        assert set(schema.get("required", ())) <= schema.get("properties", {}).keys(), where
        for name, each in schema.get("properties", {}).items():
            _check_structural(each, f"{where}.{name}")


def test_the_definitions_are_what_the_tool_makes(capsys):
    path = str(ROOT / "tools" / "kubernetes-crds")
    loader = importlib.machinery.SourceFileLoader("kubernetes_crds", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kubernetes_crds", loader))
    loader.exec_module(module)
    module.main()

    assert capsys.readouterr().out == (DEPLOY / "crds.yaml").read_text(encoding="utf-8"), "run tools/kubernetes-crds"


def test_the_example_starts_a_gateway_that_is_asked_whether_it_is_well():
    found = {each["kind"]: each for each in objects("deploy.yaml")}
    registry = load_registry()
    static, problems = structure_static(
        yaml.safe_load(found["ConfigMap"]["data"]["pointsman.yml"]), {"providers": registry.providers}
    )
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert problems == []
    assert ports == {name: point.listen.port for name, point in static.entry_points.items()}
    assert static.ping is not None
    assert container["readinessProbe"]["httpGet"] == {"path": "/ping", "port": static.ping.entry_point}
    assert "placeholder" in container["image"]
    assert {port["targetPort"] for port in found["Service"]["spec"]["ports"]} <= ports.keys()
    assert found["IngressClass"]["spec"]["controller"] == "traefik.io/ingress-controller"
    assert found["IngressClass"]["metadata"]["name"] == static.providers.kinds["kubernetesIngress"].ingress_class


def test_accounts_and_roles_that_are_bound_are_there(roles):
    found = objects("rbac.yaml")
    accounts = {
        (each["metadata"]["namespace"], each["metadata"]["name"]) for each in found if each["kind"] == "ServiceAccount"
    }
    for binding in (each for each in found if each["kind"] == "ClusterRoleBinding"):
        assert binding["roleRef"]["name"] in roles
        assert {(each["namespace"], each["name"]) for each in binding["subjects"]} <= accounts
    deployed = {each["kind"]: each for each in objects("deploy.yaml")}["Deployment"]
    assert (deployed["metadata"]["namespace"], deployed["spec"]["template"]["spec"]["serviceAccountName"]) in accounts
