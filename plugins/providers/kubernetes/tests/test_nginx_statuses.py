"""What Ingresses are told of where they are reached."""

import pytest

from .nginx_objects import Built, ingress, path, rule, service


def told(*things, **config):
    built = Built(*things, **config)
    return {
        update.object["metadata"]["name"]: update.status["loadBalancer"].get("ingress", [])
        for update in built.outcome.statuses
    }


def test_addresses_of_the_options_win():
    told_of = told(ingress(), publishStatusAddress=["1.2.3.4", "a.test", "::1"], publishService="default/web")

    assert told_of == {"web": [{"ip": "1.2.3.4"}, {"hostname": "a.test"}, {"ip": "::1"}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "ClusterIP"}, [{"ip": "10.43.0.9"}]),
        ({"type": "NodePort"}, [{"ip": "10.43.0.9"}]),
        ({"type": "NodePort", "externalIPs": ["5.6.7.8"]}, [{"ip": "5.6.7.8"}]),
        ({"type": "LoadBalancer", "externalIPs": ["5.6.7.8"]}, [{"ip": "1.2.3.4"}, {"ip": "5.6.7.8"}]),
        ({"type": "ExternalName", "externalName": "e.test"}, [{"hostname": "e.test"}]),
    ],
)
def test_a_service_says_where_it_is_reached(spec, expected):
    published = service("front", **spec)
    published[0]["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}

    assert told(*published, ingress(), publishService="default/front") == {"web": expected}


def test_only_ingresses_that_are_served_are_told():
    things = [
        ingress(),
        ingress("other", cls="other"),
        ingress("bad", {"server-snippet": "x"}),
        ingress("second", {"canary": "true", "canary-weight": "1"}, rule("web.test", path("/", "canary"))),
        ingress("lost", {"canary": "true"}, rule("lost.test", "/")),
    ]

    assert set(told(*things, publishStatusAddress=["1.2.3.4"])) == {"web", "second"}
    assert told(*things) == {}


def test_a_published_service_that_is_missing_is_told():
    built = Built(ingress(), publishService="default/gone")

    assert built.outcome.statuses == []
    assert built.problems == ["providers.kubernetesIngressNGINX.publishService: service default/gone not found"]


def test_what_options_and_annotations_name_outside_of_the_namespace_is_told_so():
    built = Built(
        ingress("locked", {"auth-type": "basic", "auth-secret": "other/users"}),
        ingress("titled", {"custom-headers": "other/headers"}),
        namespaces=["default"],
        allowCrossNamespaceResources=True,
        publishService="other/front",
        defaultBackendService="other/pages",
    )

    why = "is in a namespace that is not watched; add it to 'namespaces', or leave out 'watchNamespace'"
    assert set(built.problems) >= {
        f"providers.kubernetesIngressNGINX.publishService: service other/front {why}",
        f"providers.kubernetesIngressNGINX.defaultBackendService: service other/pages: {why}",
        f"ingress default/locked: answers 503: auth-secret: secret other/users: {why}",
        f"ingress default/titled: answers 503: custom-headers: configmap other/headers: {why}",
    }
