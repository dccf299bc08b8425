"""What a kubeconfig says of its current context: which server, and as whom. What is not looked at there is refused."""

import base64
import os
from collections.abc import Mapping
from typing import Any, Final

import yaml
from attrs import field, frozen

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.dialect.reasons import one_line
from pointsman_kubernetes.credentials import AccessError, Credentials, Fixed, Identity, Plugin, TokenFile, basic, bearer

_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_MAX_BYTES: Final = 16 * 1024 * 1024
Entries = dict[str, tuple[Mapping[str, Any], str]]
"""By name: what is said, and the folder of the file that says it."""


@frozen
class Found:
    """The way that a kubeconfig knows."""

    url: str
    credentials: Credentials = field(repr=False)
    authority: str = field(default="", repr=False)
    """PEM text or a path; "" for whom the system trusts."""
    server_name: str = ""
    skip_verify: bool = False
    proxy: str = field(default="", repr=False)


def read_kubeconfig(paths: str) -> Found:
    """`paths` as in KUBECONFIG: several with `:` between them, the first that says something wins. AccessError otherwise."""
    contexts, clusters, users = Entries(), Entries(), Entries()
    current = ""
    for path in filter(None, paths.split(os.pathsep)):
        content, folder = _content(path), os.path.dirname(os.path.abspath(path))
        current = current or text(content, "current-context")
        for entries, plural, singular in (
            (contexts, "contexts", "context"),
            (clusters, "clusters", "cluster"),
            (users, "users", "user"),
        ):
            for each in blocks(content, plural):
                entries.setdefault(text(each, "name"), (block(each, singular), folder))
    if current not in contexts:
        raise AccessError(f"{paths}: has no context {current!r}; choose one with 'kubectl config use-context'")
    context, _ = contexts[current]
    named = text(context, "cluster")
    if named not in clusters:
        raise AccessError(f"{paths}: context {current} names the cluster {named!r}, which is not there")
    if text(context, "user") and text(context, "user") not in users:
        raise AccessError(f"{paths}: context {current} names the user {text(context, 'user')!r}, which is not there")
    cluster, folder = clusters[named]
    proxy = text(cluster, "proxy-url")
    if proxy and not proxy.startswith(("http://", "https://")):
        raise AccessError(f"{paths}: cluster {named} has a proxy-url that is no http:// or https:// URL")
    url = text(cluster, "server")
    return Found(
        url=url,
        credentials=_Person(*users.get(text(context, "user"), ({}, folder)), cluster, paths).credentials(url),
        authority=_said(cluster, "certificate-authority", folder, paths),
        server_name=text(cluster, "tls-server-name"),
        skip_verify=at(cluster, "insecure-skip-tls-verify") is True,
        proxy=proxy,
    )


def _content(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return yaml.load(file.read(_MAX_BYTES), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise AccessError(f"the kubeconfig {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" in line {line + 1}" if line is not None else ""
        raise AccessError(f"the kubeconfig {path} is no YAML: an error{where}") from None


def _said(entry: Mapping[str, Any], key: str, folder: str, paths: str) -> str:
    """What `<key>-data` holds, or the path that `<key>` names, from the folder of its file."""
    data, path = text(entry, f"{key}-data"), text(entry, key)
    if not data:
        return os.path.join(folder, path) if path else ""
    try:
        return base64.b64decode(data, validate=True).decode("ascii")
    except ValueError:
        raise AccessError(f"{paths}: {key}-data is no base64 of PEM") from None


@frozen
class _Person:
    """A user of the file."""

    user: Mapping[str, Any] = field(repr=False)
    folder: str
    cluster: Mapping[str, Any] = field(repr=False)
    paths: str

    def credentials(self, url: str) -> Credentials:
        """As kubectl does, nothing secret is told to a server without TLS."""
        if text(self.user, "auth-provider", "name"):
            raise AccessError(f"{self.paths}: auth-provider is gone from Kubernetes; use exec or a token")
        if not url.startswith("https://"):
            return Fixed(Identity())
        certificate = _said(self.user, "client-certificate", self.folder, self.paths)
        key = _said(self.user, "client-key", self.folder, self.paths)
        besides = Identity(self._impersonated(), (certificate, key) if certificate else None)
        if path := text(self.user, "tokenFile"):
            return TokenFile(os.path.join(self.folder, path), besides)
        if token := text(self.user, "token"):
            return Fixed(Identity({**besides.headers, **bearer(token)}, besides.pair))
        if user := text(self.user, "username"):
            return Fixed(Identity({**besides.headers, **basic(user, text(self.user, "password"))}, besides.pair))
        if isinstance(at(self.user, "exec"), Mapping):
            return self._plugin(block(self.user, "exec"), besides)
        return Fixed(besides)

    def _impersonated(self) -> dict[str, str]:
        if not text(self.user, "as"):
            return {}
        if any(at(self.user, each) for each in ("as-groups", "as-uid", "as-user-extra")):
            raise AccessError(f"{self.paths}: as-groups, as-uid and as-user-extra are not supported; use 'as' alone")
        return {"Impersonate-User": one_line(text(self.user, "as"))}

    def _plugin(self, said: Mapping[str, Any], besides: Identity) -> Plugin:
        version, command = text(said, "apiVersion"), text(said, "command")
        if version not in _VERSIONS or not command:
            raise AccessError(f"{self.paths}: exec needs a command and the apiVersion {' or '.join(_VERSIONS)}")
        if text(said, "interactiveMode") == "Always":
            raise AccessError(f"{self.paths}: {command} wants to ask somebody (interactiveMode Always); nobody is there")
        if "/" in command:
            command = os.path.join(self.folder, command)
        arguments = at(said, "args")
        return Plugin(
            [command, *(each for each in arguments or () if isinstance(each, str))],
            {text(each, "name"): text(each, "value") for each in blocks(said, "env")},
            version,
            self._told() if at(said, "provideClusterInfo") is True else None,
            besides,
        )

    def _told(self) -> dict[str, Any]:
        known = {
            key: self.cluster[key]
            for key in ("server", "tls-server-name", "insecure-skip-tls-verify")
            if key in self.cluster
        }
        data = text(self.cluster, "certificate-authority-data")
        return known | ({"certificate-authority-data": data} if data else {})
