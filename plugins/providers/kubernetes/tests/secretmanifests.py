"""Secrets and ConfigMaps as manifests, with text as it is."""

from base64 import b64encode

import yaml

from .certificates import CA, PAIR


def a_secret(name, data, type_="Opaque", namespace="default"):
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": type_,
            "data": {key: b64encode(value.encode()).decode() for key, value in data.items()},
        }
    )


def a_config_map(name, data, namespace="default"):
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}
    return yaml.safe_dump(thing)


def of(kind, name, spec, namespace="default"):
    """An object of a custom resource."""
    metadata = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


CERTIFIED = a_secret("cert", {"tls.crt": PAIR[0], "tls.key": PAIR[1]}, "kubernetes.io/tls")
AUTHORITY = a_secret("ca", {"ca.crt": CA})
