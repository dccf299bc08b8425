"""Objects of a cluster may be anything: what is odd is left out with a word, and nothing else with it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.control.context import Context
from pointsman.plugins import load_registry
from pointsman_kubernetes import kinds
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.objects import Objects

REGISTRY = load_registry()
WORDS = re.findall(
    r"\w+",
    """routes services match middlewares name namespace port weight tls options secretName passthrough domains main sans
    kind entryPoints basicAuth digestAuth secret forwardAuth address caSecret certSecret rateLimit redis errors service
    pages chain plugin x clientAuth secretNames clientAuthType certificates defaultCertificate defaultGeneratedCert
    domain rootCAs configMap rootCAsSecrets certificatesSecrets peerCertSANs spiffe forwardingTimeouts dialTimeout
    proxyProtocol version sticky cookie serversTransport healthCheck responseForwarding observability parentRefs
    weighted mirroring failover compress stripPrefix""",
)
LEAVES = st.none() | st.booleans() | st.integers(-3, 90000) | st.sampled_from(["", "web", "x@file", "urn:k8s:secret:odd:k"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
ROUTES = st.lists(st.dictionaries(st.sampled_from(WORDS), JSON, max_size=4), max_size=2)
SPECS = JSON | st.fixed_dictionaries({"routes": ROUTES, "tls": JSON})
WEB = {"ports": [{"name": "http", "port": 80}], "type": "ExternalName", "externalName": "web.example"}
GOOD = {"compress": {"minResponseBodyBytes": 5}}


def thing(name, **parts):
    return {"metadata": {"name": name, "namespace": "default"}, **parts}


@pytest.mark.parametrize("kind", kinds.TRAEFIK, ids=lambda kind: kind.name)
@given(specs=st.lists(SPECS, min_size=1, max_size=3), data=JSON)
@settings(max_examples=15)
def test_nothing_that_an_object_says_stops_the_others(kind, specs, data):
    context = Context("kubernetescrd", REGISTRY.middlewares, REGISTRY.tcp_middlewares)
    config = KubernetesCRDProvider.Config(allow_external_name_services=True)
    odd = thing("odd", type="kubernetes.io/basic-auth", data=data)
    found = {kinds.SECRET: [odd], kinds.CONFIG_MAP: [odd], kinds.SERVICE: [thing("web", spec=WEB)], kinds.MIDDLEWARE: []}
    found[kind] = [thing(f"m{index}", spec=spec) for index, spec in enumerate(specs)]
    found[kinds.MIDDLEWARE].append(thing("good", spec=GOOD))

    outcome = KubernetesCRDProvider(config, context).build(Objects(found))

    assert outcome.document["http"]["middlewares"]["default-good"] == GOOD
    assert all(problem.warning for problem in [*outcome.problems, *context.check(outcome.document)])
