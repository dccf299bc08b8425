"""Labels of containers and keys of stores to documents (providers.md §3.1-§3.4, §4.1)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from attrs import define, field

from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.config.nodes import Node, put_key, put_label, too_long
from pointsman.config.spelling import suggestion
from pointsman.config.texts import MAX_PROBLEMS, Texts
from pointsman.errors import ConfigError, Problem

ROOT: Final = "traefik"
AREAS: Final = ("http", "tcp", "udp", "tls")
_STORE: Final = ["stores", "default"]


def from_labels(
    labels: Mapping[str, str], middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS
) -> tuple[dict[str, Any], Sequence[Problem]]:
    """The document that the labels below `traefik.` say, and warnings. ConfigError, with every problem, for useless ones.

    Field names are in the dialect's spelling, true and false and whole numbers are converted, other values are text.
    `loadBalancer.server` stays as it is written, with `port` and `scheme` as text.
    """
    root = Node("")
    told = _Told()
    for label in sorted(label for label in labels if label[:8].lower() == "traefik."):
        segments = label.split(".")
        area = segments[1].lower()
        if area not in AREAS or segments[0] != ROOT:
            told.add(_apart(label, segments, area))
        elif area == "tls" and [segment.lower() for segment in segments[2:4]] != _STORE:
            told.add(_not_of_tls(label))
        else:
            if area == "tls":
                segments[2:4] = _STORE
            told.add(too_long(label, segments) or put_label(root, label, segments, labels[label]))
    areas = root.children[ROOT].children if root.children else {}
    document, warnings = _document(Texts(middlewares, tcp_middlewares, labels=True), areas, told)
    if document.get("tls") == {"stores": {"default": {}}}:
        del document["tls"]  # it would only be in the way of another provider's
    return document, warnings


def _apart(label: str, segments: list[str], area: str) -> Problem | None:
    """What is to be said of a label that is no dynamic configuration."""
    path, word = label[:200], segments[1][:100]
    if segments[0] != ROOT:
        wrong = area in AREAS or area == "enable"
        return Problem(path, f"invalid label root {segments[0]}; it is written traefik, in lower case") if wrong else None
    if area == "enable":
        below = ".".join(segments[2:])[:100]
        return Problem(path, f"(field not found, node: {below}): nothing can stand below enable") if below else None
    if area.startswith("enable"):
        return Problem(path, f"unknown key '{word}' (field not found, node: {word}); did you mean 'enable'?")
    meant = _meant(area[:20])
    return Problem(path, f"is ignored{meant}", warning=True) if meant else None


@lru_cache(256)
def _meant(area: str) -> str:
    return suggestion(area, AREAS) or next((f"; did you mean '{known}'?" for known in AREAS if area.startswith(known)), "")


def _not_of_tls(label: str) -> Problem:
    message = "is left out: of tls, labels can only say stores.default.defaultgeneratedcert; write it in a file"
    return Problem(label[:200], message, warning=True)


def from_keys(
    pairs: Mapping[str, str], middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS
) -> tuple[dict[str, Any], Sequence[Problem]]:
    """The document that a store's keys, relative to its root key, say, and warnings; ConfigError refuses it whole.

    Other first segments than http, tcp, udp and tls are ignored, and so are folders: keys with a slash at the end, without
    a value.
    """
    root = Node("")
    told = _Told()
    for key in sorted(pairs):
        segments = [segment for segment in key.split("/") if segment]
        if segments and segments[0].lower() in AREAS and (pairs[key] or key[-1] != "/"):
            told.add(too_long(key, segments) or put_key(root, key, segments, pairs[key]))
    return _document(Texts(middlewares, tcp_middlewares, labels=False), root.children, told)


@define
class _Told:
    """What is told of names before it is known what they mean."""

    problems: list[Problem] = field(factory=list)
    warnings: list[Problem] = field(factory=list)

    def add(self, problem: Problem | None) -> None:
        if problem is not None:
            told = self.warnings if problem.warning else self.problems
            if len(told) < MAX_PROBLEMS:
                told.append(problem)


def _document(texts: Texts, areas: Mapping[str, Node], told: _Told) -> tuple[dict[str, Any], Sequence[Problem]]:
    document = texts.document(areas)
    if problems := [*told.problems, *texts.problems]:
        raise ConfigError(problems)
    return document, [*told.warnings, *texts.warnings]
