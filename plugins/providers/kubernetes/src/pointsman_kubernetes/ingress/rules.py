"""Rules of the paths of an Ingress (kubernetes.md §2.4). Pure."""

from typing import Final

from pointsman_kubernetes.names import quoted

_MATCHERS: Final = ("Path", "PathPrefix", "PathRegexp")
_TYPES: Final = ("Exact", "Prefix", "ImplementationSpecific", "")


def host_rule(host: str, syntax: str) -> str:
    """ "" for all hosts. `syntax` is v2 or v3."""
    if not host:
        return ""
    if syntax == "v2" and host.startswith("*."):
        return f"HostRegexp({quoted('{subdomain:[a-zA-Z0-9-]+}' + host[1:])})"
    return f"Host({quoted(host)})"


def path_rule(path: str, kind: str, matcher: str, *, strict: bool) -> str:
    """ "" for an empty path. `kind` is its `pathType`, `matcher` what the annotation says. ValueError if one is none."""
    if kind not in _TYPES:
        raise ValueError(f"pathType '{kind[:100]}' is none; use Exact or Prefix")
    if kind == "Exact":
        matcher = "Path"
    elif kind == "Prefix" or not matcher:
        matcher = "PathPrefix"
    elif matcher not in _MATCHERS:
        raise ValueError(f"router.pathmatcher must be one of {', '.join(_MATCHERS)}, got '{matcher[:100]}'")
    if not path:
        return ""
    if strict and matcher == "PathPrefix" and path != "/":
        return _strict(path.removesuffix("/"))
    return f"{matcher}({quoted(path)})"


def _strict(path: str) -> str:
    return f"(Path({quoted(path)}) || PathPrefix({quoted(path + '/')}))"


def joined(host: str, path: str) -> str:
    """Both conditions; what has none is for all requests."""
    return " && ".join(filter(None, (host, path))) or 'PathPrefix("/")'
