"""Names: snake_case here, camelCase in the dialect, and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def camel_case(name: str) -> str:
    """`read_timeout` -> `readTimeout`; a trailing underscore, there to dodge a keyword, goes."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def spelled(attribute: Any) -> str:
    """The dialect's spelling of an attrs attribute."""
    return str(attribute.metadata.get("name") or camel_case(attribute.name))


def join(parent: str, child: str) -> str:
    """`http.routers` and `shop` -> `http.routers.shop`; `servers` and `[0].url` -> `servers[0].url`."""
    if not parent or not child:
        return parent or child
    return f"{parent}{child}" if child[0] == "[" else f"{parent}.{child}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'rule'?`, or nothing if no known word is near."""
    by_lower = {other.lower(): other for other in known}
    close = get_close_matches(word[:100].lower(), by_lower, 1, 0.7)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that a block does not have. A private key that has slipped in is not spelled out."""
    key = key.partition("-----BEGIN ")[0] + "..." if "-----BEGIN " in key else key[:100]
    return f"unknown key '{key}' (field not found, node: {key}){suggestion(key, known)}"
