"""Labels of containers and keys of stores to documents (providers.md §3.1-§3.4, §4.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.config.nodes import Node, put_key, put_label, too_long
from pointsman.config.spelling import suggestion
from pointsman.config.texts import Texts
from pointsman.errors import ConfigError, Problem

ROOT: Final = "traefik"
AREAS: Final = ("http", "tcp", "udp", "tls")
_STORE: Final = ("stores", "default")


def from_labels(
    labels: Mapping[str, str], middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS
) -> tuple[dict[str, Any], Sequence[Problem]]:
    """The document that the labels below `traefik.` say, and warnings. ConfigError, with every problem, for useless ones.

    Field names are in the dialect's spelling, true and false and whole numbers are converted, other values are text.
    `loadBalancer.server` stays as it is written, with `port` and `scheme` as text.
    """
    root = Node("")
    problems: list[Problem] = []
    warnings: list[Problem] = []
    given = [label for label in labels if label[:8].lower() == "traefik."]
    given.sort()
    for label in given:
        segments = label.split(".")
        area = segments[1].lower()
        if area not in AREAS or (area == "tls" and len(segments) < 4) or segments[0] != ROOT:
            problem = _apart(label, segments, area)
        elif area == "tls" and (segments[2].lower(), segments[3].lower()) != _STORE:
            problem = _not_of_tls(label)
        else:
            if area == "tls":
                segments[3] = "default"
            problem = too_long(label, segments) or put_label(root, label, segments, labels[label])
        if problem is not None:
            (warnings if problem.warning else problems).append(problem)
    texts = Texts(".", middlewares, tcp_middlewares, labels=True)
    document = texts.document(root.children[ROOT].children) if root.children else {}
    problems += texts.problems
    if problems:
        raise ConfigError(problems)
    return document, [*warnings, *texts.warnings]


def _apart(label: str, segments: list[str], area: str) -> Problem | None:
    """What is to be said of a label that is no dynamic configuration."""
    path = label[:200]
    if segments[0] != ROOT:
        if area not in (*AREAS, "enable"):
            return None
        return Problem(path, f"invalid label root {segments[0]}; it is written traefik, in lower case")
    if area == "tls":
        return _not_of_tls(label)
    if area == "enable":
        return (
            Problem(path, f"(field not found, node: {segments[2][:100]}): nothing can stand below enable")
            if segments[2:]
            else None
        )
    if area.startswith("enable"):
        return Problem(
            path, f"unknown key '{segments[1][:100]}' (field not found, node: {segments[1][:100]}); did you mean 'enable'?"
        )
    meant = suggestion(area, AREAS) or next((f"; did you mean '{known}'?" for known in AREAS if area.startswith(known)), "")
    return Problem(path, f"is ignored{meant}", warning=True) if meant else None


def _not_of_tls(label: str) -> Problem:
    message = "is left out: of tls, labels can only say stores.default.defaultgeneratedcert; write it in a file"
    return Problem(label[:200], message, warning=True)


def from_keys(pairs: Mapping[str, str], middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS) -> dict[str, Any]:
    """The document that a store's keys, relative to its root key, say; ConfigError with every problem refuses it whole.

    Other first segments than http, tcp, udp and tls are ignored, and so are folders: keys with a slash at the end, without
    a value.
    """
    root = Node("")
    problems: list[Problem] = []
    for key in sorted(pairs):
        value = pairs[key]
        segments = [segment for segment in key.split("/") if segment]
        if not segments or segments[0].lower() not in AREAS or (key[-1] == "/" and not value):
            continue
        if problem := too_long(key, segments):
            problems.append(problem)
        else:
            put_key(root, segments, value)
    texts = Texts("/", middlewares, tcp_middlewares, labels=False)
    document = texts.document(root.children)
    problems += texts.problems
    if problems:
        raise ConfigError(problems)
    return document
