"""This gateway's part in the mesh (Consul Connect): its certificate, the authorities, and transports made of both."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from pointsman_consul.agent import Agent, ConsulError, News
from pointsman_consul.services import Entry, normalised

ROOTS: Final = "/v1/agent/connect/ca/roots"
LEAF: Final = "/v1/agent/connect/ca/leaf/"


@frozen
class Identity:
    """What the mesh knows this gateway by, and whom it trusts itself. PEM."""

    certificate: str
    key: str
    authorities: tuple[str, ...]
    trust_domain: str


class Mesh:
    """Keeps the identity up to date. `follow_leaf` and `follow_roots` run as long as it is needed."""

    def __init__(self, service_name: str, wait: float, news: News) -> None:
        self._leaf_path = f"{LEAF}{quote(service_name, safe='')}"
        self._wait = wait
        self._news = news
        self._leaf: tuple[str, str] | None = None
        self._roots: tuple[tuple[str, ...], str] | None = None

    @property
    def identity(self) -> Identity | None:
        """None until all of it is there."""
        if self._leaf is None or self._roots is None:
            return None
        return Identity(*self._leaf, *self._roots)

    async def follow_leaf(self, agent: Agent) -> None:
        async for answer in agent.follow(self._leaf_path, wait=self._wait):
            leaf = _text(answer.content, "CertPEM"), _text(answer.content, "PrivateKeyPEM")
            if leaf != self._leaf:
                self._leaf = leaf
                self._news.note()

    async def follow_roots(self, agent: Agent) -> None:
        async for answer in agent.follow(ROOTS, wait=self._wait):
            listed = answer.content.get("Roots") if isinstance(answer.content, Mapping) else None
            if not isinstance(listed, list):
                raise ConsulError("Consul does not answer like Consul: these are no authorities of its mesh")
            roots = tuple(_text(root, "RootCert") for root in listed), _text(answer.content, "TrustDomain")
            if roots != self._roots:
                self._roots = roots
                self._news.note()


def transport_name(entry: Entry) -> str:
    return normalised(f"tls-{entry.mesh_name}")


def transport(entry: Entry, identity: Identity) -> dict[str, Any]:
    """`serversTransport` for the servers of a service, known by the URI in their certificates, not by a host name."""
    path = f"ns/{entry.namespace}/dc/{entry.datacenter}/svc/{entry.service}"
    return {
        "serverName": entry.mesh_name,
        "insecureSkipVerify": True,  # of the name alone: with peerCertURI the chain is verified all the same
        "rootCAs": list(identity.authorities),
        "certificates": [{"certFile": identity.certificate, "keyFile": identity.key}],
        "peerCertURI": f"spiffe://{identity.trust_domain}/{path}",
    }


def _text(content: Any, key: str) -> str:
    value = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ConsulError(f"Consul does not answer like Consul: there is no {key}")
    return value
