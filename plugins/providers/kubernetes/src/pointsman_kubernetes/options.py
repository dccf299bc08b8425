"""The options that all providers of Kubernetes have (kubernetes.md §1.1)."""

from collections.abc import Sequence

from attrs import frozen

from pointsman import Duration, Secret, Url, option


@frozen(kw_only=True)
class AccessConfig:
    """How the API server is reached."""

    endpoint: Url = option(default=Url(""), help="URL of the API server; that of the cluster the gateway runs in if unset")
    token: Secret = option(default=Secret(""), help="Bearer token, or a file that holds one", repr=False)
    cert_auth_file_path: str = option(default="", help="File of the CA that signed the server's certificate")
    throttle_duration: Duration = option(default=Duration(0), help="Shortest time between two changes of the configuration")

    @property
    def scope(self) -> tuple[Sequence[str], str]:
        """Which namespaces are watched, all if there are none, and the labels of this provider's own objects."""
        return (), ""


@frozen(kw_only=True)
class ClusterConfig(AccessConfig):
    """And what is read there."""

    namespaces: tuple[str, ...] = option(default=(), help="Namespaces to watch; all if unset")
    label_selector: str = option(default="", help="Label selector for the objects of this provider")

    @property
    def scope(self) -> tuple[Sequence[str], str]:
        return self.namespaces, self.label_selector


@frozen(kw_only=True)
class CrossingConfig(ClusterConfig):
    """And whose objects may name what other providers say."""

    cross_provider_namespaces: tuple[str, ...] | None = option(
        default=None, help="Namespaces whose objects may use name@provider; all if unset, none if empty"
    )

    def may_cross(self, namespace: str) -> bool:
        """Whether objects of this namespace may use `name@provider`."""
        return self.cross_provider_namespaces is None or namespace in self.cross_provider_namespaces
