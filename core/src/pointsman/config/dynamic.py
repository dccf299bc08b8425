"""The dynamic configuration: routers, services, transports and TLS as attrs, middlewares as `{kind: raw}` (routing.md §1).

Two storeys. A document whose *shape* is wrong (unknown key, wrong type, empty block) is refused whole, and its source keeps
what it said before. A *value* that cannot be used only closes its element, and is found where elements are
structured one by one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from pointsman.config.convert import hook_for, structure
from pointsman.config.http_model import Model, Router, ServersTransport, Service
from pointsman.config.middlewares import NO_KINDS, Kinds, misshapen_middleware, structure_middleware
from pointsman.config.mistakes import Mistakes
from pointsman.config.scalars import kind_of
from pointsman.config.spelling import unknown_key
from pointsman.config.tcp_model import TCPRouter, TCPServersTransport, TCPService, UDPRouter, UDPService
from pointsman.config.tls_model import ServedCertificate, TLSOptions, TLSStore
from pointsman.errors import Problem

__all__ = [
    "CERTIFICATES",
    "MIDDLEWARES",
    "SECTIONS",
    "TCP_MIDDLEWARES",
    "Document",
    "declared",
    "structure_document",
    "structure_element",
    "structure_middleware",
    "structure_router",
    "structure_service",
    "structure_transport",
]

MIDDLEWARES: Final = "http.middlewares"
TCP_MIDDLEWARES: Final = "tcp.middlewares"
CERTIFICATES: Final = "tls.certificates"
SECTIONS: Final[Mapping[str, type]] = {
    "http.routers": Router,
    "http.services": Service,
    MIDDLEWARES: dict,
    "http.serversTransports": ServersTransport,
    "http.models": Model,
    "tcp.routers": TCPRouter,
    "tcp.services": TCPService,
    TCP_MIDDLEWARES: dict,
    "tcp.serversTransports": TCPServersTransport,
    "udp.routers": UDPRouter,
    "udp.services": UDPService,
    CERTIFICATES: ServedCertificate,
    "tls.options": TLSOptions,
    "tls.stores": TLSStore,
}
"""Every section by its path, and the class of its elements. `tls.certificates` is a list, the others are maps by name."""

_BY_LOWER = {path.lower(): path for path in SECTIONS}
_ROOTS = {path.partition(".")[0] for path in SECTIONS}


@frozen
class Document:
    """What one source says, structured: section path -> name -> element; certificates are named `0`, `1`, ... in order."""

    sections: dict[str, dict[str, Any]] = field(factory=lambda: {path: {} for path in SECTIONS})

    def __getitem__(self, section: str) -> dict[str, Any]:
        return self.sections[section]

    @property
    def empty(self) -> bool:
        return not any(self.sections.values())


def structure_document(
    raw: Any, middlewares: Kinds, source: str = "", tcp_middlewares: Kinds = NO_KINDS
) -> tuple[Document | None, list[Problem]]:
    """One source's document, structured, and what is wrong with it. None: its shape is refused, keep the last good one.

    With a document, problems concern single elements, which are left out: names that hold `@` (routing.md §2). Unknown root
    keys are ignored. Middlewares stay `{kind: raw}`; options of known kinds are checked for shape, unknown kinds are left
    to whoever builds them. With `source`, paths carry the full name: `http.routers.shop@file.rule`.
    """
    document = Document()
    refused: list[Problem] = []
    misnamed: list[Problem] = []
    at = f"@{source}" if source else ""
    for section, name, element, problem in _walk(raw):
        if problem is not None:
            refused.append(problem)
            continue
        if "@" in name:
            message = f"the name '{name}' holds '@', which separates names from providers; choose a name without it"
            misnamed.append(Problem(f"{section}.{name}{at}", message))
        path = f"{section}[{name}]" if section == CERTIFICATES else f"{section}.{name}{at}"
        structured, problems = _shape(section, element, path, middlewares, tcp_middlewares)
        refused += problems
        if "@" not in name:
            document.sections[section][name] = structured
    return (None, refused) if refused else (document, misnamed)


def declared(raw: Any) -> Iterator[tuple[str, str, Any]]:
    """Every element that a document declares: section path as SECTIONS spells it, name, raw element.

    Key case does not matter; what is absent, misplaced or named with an `@` is passed over.
    """
    for section, name, element, problem in _walk(raw):
        if problem is None and "@" not in name:
            yield section, name, element


def structure_element(section: str, raw: Any, path: str) -> tuple[Any, list[Problem]]:
    """One element of any section but the two of middlewares, or None and what is wrong with it."""
    return structure(SECTIONS[section], raw, path)


def structure_router(raw: Any, path: str) -> tuple[Router | None, list[Problem]]:
    """One `http.routers` entry."""
    return structure(Router, raw, path)


def structure_service(raw: Any, path: str) -> tuple[Service | None, list[Problem]]:
    """One `http.services` entry. How many types it has is for the compiler to judge."""
    return structure(Service, raw, path)


def structure_transport(raw: Any, path: str) -> tuple[ServersTransport | None, list[Problem]]:
    """One `http.serversTransports` entry."""
    return structure(ServersTransport, raw, path)


def _shape(section: str, raw: Any, path: str, middlewares: Kinds, tcp_middlewares: Kinds) -> tuple[Any, list[Problem]]:
    if section == MIDDLEWARES:
        return raw, misshapen_middleware(raw, path, middlewares)
    if section == TCP_MIDDLEWARES:
        return raw, misshapen_middleware(raw, path, tcp_middlewares)
    try:
        return hook_for(SECTIONS[section])(raw, None), []
    except Mistakes as mistakes:
        return None, mistakes.under(path)
    except ValueError as error:
        return None, [Problem(path, str(error))]


def _walk(raw: Any) -> Iterator[tuple[str, str, Any, Problem | None]]:
    """Each element with its section and name; a Problem instead where there is no telling."""
    if raw is None:
        return
    if not isinstance(raw, Mapping):
        yield "", "", None, Problem("", f"expected a block with http, tcp, udp or tls in it, got {kind_of(raw)}")
        return
    for root, protocol in raw.items():
        area = str(root).lower()
        if area not in _ROOTS or protocol is None:
            continue
        if not isinstance(protocol, Mapping):
            yield "", "", None, Problem(area, f"expected a block, got {kind_of(protocol)}")
            continue
        for key, elements in protocol.items():
            section = _BY_LOWER.get(f"{area}.{str(key).lower()}")
            if section is None:
                known = [path.partition(".")[2] for path in SECTIONS if path.startswith(f"{area}.")]
                yield "", "", None, Problem(area, unknown_key(str(key), known))
            elif elements is not None:
                yield from _elements(section, elements)


def _elements(section: str, elements: Any) -> Iterator[tuple[str, str, Any, Problem | None]]:
    if section == CERTIFICATES:
        if not isinstance(elements, list | tuple):
            yield "", "", None, Problem(section, f"expected a list, got {kind_of(elements)}")
            return
        named: Iterator[tuple[Any, Any]] = enumerate(elements)
    elif isinstance(elements, Mapping):
        named = iter(elements.items())
    else:
        yield "", "", None, Problem(section, f"expected a block of names, got {kind_of(elements)}")
        return
    for name, element in named:
        if element is not None:
            yield section, str(name), element, None
