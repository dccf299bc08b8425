"""GRPCRoutes: a router for each rule, match and listener (§4.6). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.dialect.gotemplate.functions.regexes import quote_meta
from pointsman.dialect.grpc import UNAVAILABLE
from pointsman.dialect.lookups import block, blocks, text
from pointsman_kubernetes.gateway.attach import Attachment
from pointsman_kubernetes.gateway.backends import Speech
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.gateway.http import Manner, load_routes
from pointsman_kubernetes.gateway.matches import PREFIX, Match, header, unique
from pointsman_kubernetes.names import quoted

_SEGMENT: Final = "[^/]+"
_SPEECH: Final = Speech({"kubernetes.io/h2c": "h2c", "https": "https"}, "h2c")


def load(draft: Draft, attachments: Iterable[Attachment]) -> None:
    """Add these GRPCRoutes, the oldest first."""
    load_routes(draft, attachments, _MANNER)


def read(match: Mapping[str, Any]) -> Match:
    """A match as it is in a rule; {} matches everything.

    In the dialect the expression is searched anywhere in the path, so that `a.B/Get` is `a.B/GetAll`, too. Here it is the
    whole path; routers are called after the dialect's rule.
    """
    method = block(match, "method")
    service, name = text(method, "service"), text(method, "method")
    found = list(unique(blocks(match, "headers"), str.lower))
    headers = "".join(f" && {header(each)}" for each in found)
    usual = _usual(match, method, service, name) + headers
    rank = PREFIX, len(service), len(name), len(found), 0
    path = None if _is_regular(method) else f"/{service}/{name}"
    return Match(_path(method, service, name) + headers, rank, len(usual), "", path, usual)


def _usual(match: Mapping[str, Any], method: Mapping[str, Any], service: str, name: str) -> str:
    """The dialect's matcher of the path."""
    if match.get("method") is None:
        return 'PathPrefix("/")'
    parts = (part if _is_regular(method) else quote_meta(part) for part in (service, name))
    return f"PathRegexp({quoted('/' + '/'.join(part or _SEGMENT for part in parts))})"


def _path(method: Mapping[str, Any], service: str, name: str) -> str:
    if not service and not name:
        return 'PathPrefix("/")'
    if _is_regular(method):
        parts = (f"(?:{part})" if part else _SEGMENT for part in (service, name))
        return f"PathRegexp({quoted('^/' + '/'.join(parts) + '$')})"
    if service and name:
        return f"Path({quoted(f'/{service}/{name}')})"
    if service:
        return f"PathPrefix({quoted(f'/{service}/')})"
    return f"PathRegexp({quoted(f'^/{_SEGMENT}/{quote_meta(name)}$')})"


def _is_regular(method: Mapping[str, Any]) -> bool:
    return text(method, "type") == "RegularExpression"


def _matches(rule: Mapping[str, Any]) -> list[Match]:
    return [read(each) for each in blocks(rule, "matches")] or [read({})]


_MANNER: Final = Manner("grpcroute", _matches, _SPEECH, {"grpcStatus": UNAVAILABLE}, in_order=False)
