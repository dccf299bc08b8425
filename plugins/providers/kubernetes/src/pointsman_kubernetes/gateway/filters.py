"""What the filters of an HTTPRoute come to: middlewares (§4.5). Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman_kubernetes.gateway.draft import Refused, Unresolved

_STATUSES: Final = (301, 302, 303, 307, 308)
MIRROR: Final = "RequestMirror"


@define
class Filtered:
    """What filters come to."""

    names: list[str] = field(factory=list)
    """Of middlewares, in their order; also of those that another provider says."""
    middlewares: dict[str, dict[str, Any]] = field(factory=dict)
    mirrors: list[Mapping[str, Any]] = field(factory=list)
    """The `requestMirror` blocks."""


def read(filters: Sequence[Mapping[str, Any]], owner: str, extension: Callable[[str], str], prefix: str) -> Filtered:
    """The filters of `owner`, a router or a service. Refused for one that cannot be had.

    `extension` says what a Middleware is called that is beside the route; it may raise Unresolved.
    `prefix` is what the path prefix of the match is, which may be replaced; "" if it is none.
    """
    found = Filtered()
    for position, each in enumerate(filters):
        kind = text(each, "type")
        if kind == MIRROR:
            found.mirrors.append(block(each, "requestMirror"))
        elif kind == "ExtensionRef":
            found.names.append(_extension(block(each, "extensionRef"), extension))
        else:
            name = f"{owner}-{kind.lower()}-{position}"
            found.middlewares[name] = _middleware(kind, each, prefix)
            found.names.append(name)
    return found


def _middleware(kind: str, each: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    match kind:
        case "RequestHeaderModifier":
            return {"requestHeaderModifier": _modifier(block(each, "requestHeaderModifier"))}
        case "ResponseHeaderModifier":
            return {"responseHeaderModifier": _modifier(block(each, "responseHeaderModifier"))}
        case "RequestRedirect":
            return {"requestRedirect": _redirect(block(each, "requestRedirect"), prefix)}
        case "URLRewrite":
            return {"urlRewrite": _rewrite(block(each, "urlRewrite"), prefix)}
        case "CORS":
            return {"headers": dict(_cors(block(each, "cors")))}
    raise Refused("UnsupportedValue", f"the filter {kind!r} is not supported")


def _extension(ref: Mapping[str, Any], extension: Callable[[str], str]) -> str:
    group, kind, name = text(ref, "group"), text(ref, "kind"), text(ref, "name")
    if (group, kind) != ("traefik.io", "Middleware"):
        raise Unresolved("InvalidKind", f"extensionRef {group}/{kind} {name}: only a Middleware of traefik.io can be one")
    return extension(name)


def _modifier(block_: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    remove = at(block_, "remove")
    said: dict[str, Any] = {
        "set": {text(each, "name"): text(each, "value") for each in blocks(block_, "set")},
        "add": {text(each, "name"): text(each, "value") for each in blocks(block_, "add")},
        "remove": [name for name in remove if isinstance(name, str)] if isinstance(remove, list) else [],
    }
    return {key: value for key, value in said.items() if value}


def _paths(path: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """`path`, and `pathPrefix` if that alone is replaced."""
    kind = text(path, "type")
    if kind == "ReplaceFullPath":
        return {"path": text(path, "replaceFullPath")}
    if kind == "ReplacePrefixMatch":
        if not prefix:
            raise Refused("UnsupportedValue", "ReplacePrefixMatch needs a match of type PathPrefix")
        return {"path": text(path, "replacePrefixMatch"), "pathPrefix": prefix}
    if path:
        raise Refused("UnsupportedValue", f"a path of type {kind!r} is neither ReplaceFullPath nor ReplacePrefixMatch")
    return {}


def _redirect(block_: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    scheme, port, status = text(block_, "scheme"), at(block_, "port"), at(block_, "statusCode")
    if scheme not in ("", "http", "https"):
        raise Refused("UnsupportedValue", f"requestRedirect: the scheme {scheme!r} is neither http nor https")
    if status not in (None, *_STATUSES):
        raise Refused("UnsupportedValue", f"requestRedirect: the statusCode {status!r} is none of {_STATUSES}")
    said: dict[str, Any] = {"scheme": scheme} if scheme else {}
    if text(block_, "hostname"):
        said["hostname"] = text(block_, "hostname")
    if isinstance(port, int):
        said["port"] = str(port)
    elif scheme:
        said["port"] = ""
    return {**said, **_paths(block(block_, "path"), prefix), "statusCode": status or 302}


def _rewrite(block_: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    said = _paths(block(block_, "path"), prefix)
    if text(block_, "hostname"):
        said["hostname"] = text(block_, "hostname")
    if not said:
        raise Refused("UnsupportedValue", "urlRewrite: neither hostname nor path is set")
    return said


def _cors(block_: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options of `headers`."""
    origins = _words(block_, "allowOrigins")
    exact = [origin for origin in origins if origin == "*" or "*" not in origin]
    patterns = [re.escape(origin).replace(r"\*", r"[^/]+") for origin in origins if origin not in exact]
    yield "accessControlAllowOriginList", exact
    if patterns:
        yield "accessControlAllowOriginListRegex", [f"^{pattern}$" for pattern in patterns]
    if at(block_, "allowCredentials") is True:
        yield "accessControlAllowCredentials", True
    for key, option in (
        ("allowMethods", "accessControlAllowMethods"),
        ("allowHeaders", "accessControlAllowHeaders"),
        ("exposeHeaders", "accessControlExposeHeaders"),
    ):
        if _words(block_, key):
            yield option, _words(block_, key)
    age = at(block_, "maxAge")
    yield "accessControlMaxAge", age if isinstance(age, int) else 5


def _words(block_: Mapping[str, Any], key: str) -> list[str]:
    found = at(block_, key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
