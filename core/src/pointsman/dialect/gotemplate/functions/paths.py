"""Sprig's paths and URLs (sprig 3.2: functions.go, url.go), as Go's packages path and net/url see them."""

import re
from typing import Any, Final
from urllib.parse import quote, unquote

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.printing import plain
from pointsman.dialect.gotemplate.values import as_text, type_name

PATHS: Final = Group()


@PATHS("clean osClean", "string")
def clean(path: str) -> str:
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part == "..":
            parts += [] if rooted else [".."]
        elif part not in ("", "."):
            parts.append(part)
    return "/" * rooted + "/".join(parts) or "."


@PATHS("base osBase", "string")
def base(path: str) -> str:
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


PATHS("dir osDir", "string")(lambda path: clean(path[: path.rfind("/") + 1]))
PATHS("isAbs osIsAbs", "string")(lambda path: path.startswith("/"))


@PATHS("ext osExt", "string")
def ext(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :] if "." in name else ""


_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@PATHS("urlParse", "string")
def url_parse(url: str) -> dict[str, Any]:
    """A dict of the parts of a URL."""
    match = _URL.fullmatch(url)
    if match is None or any(ord(each) < 32 or ord(each) == 127 for each in url):
        raise Wrong(f"{url!r} is no URL")
    scheme, rest, query, fragment = (each or "" for each in match.groups())
    opaque = host = user = ""
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, _, host = authority.rpartition("@")
    elif scheme and not rest.startswith("/"):
        opaque, rest = rest, ""
    if not scheme and ":" in rest.partition("/")[0]:
        raise Wrong(f"{url!r} is no URL: its first segment has a colon")
    if _BAD_ESCAPE.search(rest) or _BAD_ESCAPE.search(fragment) or _BAD_ESCAPE.search(host) or " " in host:
        raise Wrong(f"{url!r} is no URL: an escape or its host is invalid")
    hostname = host[1:].partition("]")[0] if host.startswith("[") else re.sub(r":[0-9]*$", "", host)
    return {
        "scheme": scheme.lower(),
        "host": host,
        "hostname": hostname,
        "path": as_text(unquote(rest, errors="surrogateescape").encode("utf-8", "surrogateescape")),
        "query": query,
        "opaque": opaque,
        "fragment": as_text(unquote(fragment, errors="surrogateescape").encode("utf-8", "surrogateescape")),
        "userinfo": user,
    }


@PATHS("urlJoin", "dict")
def url_join(parts: dict[str, Any]) -> str:
    """The reverse of urlParse."""
    for name, value in parts.items():
        if not isinstance(value, str):
            raise Wrong(f"'{name}' must be a string, not {type_name(value)} {plain(value)}")
    scheme, host, path, user = (parts.get(name, "") for name in ("scheme", "host", "path", "userinfo"))
    text = f"{scheme}:" if scheme else ""
    if parts.get("opaque"):
        text += parts["opaque"]
    else:
        if host or user or (scheme and path.startswith("//")):
            text += "//" + (f"{user}@" if user else "") + host
            text += "/" if path and not path.startswith("/") and host else ""
        text += quote(path, safe="/$&+,:;=@!'()*~-._", errors="surrogateescape")
    text += f"?{parts['query']}" if parts.get("query") else ""
    return text + (
        f"#{quote(parts['fragment'], safe='/$&+,:;=@!()*~-._?', errors='surrogateescape')}" if parts.get("fragment") else ""
    )
