"""A document without what would have all of it refused: an empty block, where some object has one, shall close no others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from pointsman.errors import Problem
from pointsman_kubernetes.outcome import Outcome

Check = Callable[[Mapping[str, Any]], Sequence[Problem]]
"""Problems in the shape of a document, as `ProviderContext.check` gives them."""
CLOSED: Final = {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}
"""TLS options that cannot be used, for they trust nobody: in the place of broken ones, for none serve everybody."""
_ROUNDS: Final = 8


def fitting(document: Mapping[str, Any], check: Check) -> tuple[Mapping[str, Any], list[Problem]]:
    """The document without the elements whose shape is wrong, which closes what names them, and a problem for each."""
    said: list[Problem] = []
    for _ in range(_ROUNDS):
        refused = [problem for problem in check(document) if not problem.warning]
        if not refused:
            break
        document = {section: dict(kinds) for section, kinds in document.items()}
        removed = [problem for problem in refused if _remove(document, problem.path)]
        said += [
            Problem(each.path, f"is left out, and closes what uses it: {each.message}", warning=True) for each in removed
        ]
        if not removed:
            break
    return document, said


def fitted(outcome: Outcome, check: Check) -> Outcome:
    """The same without what does not fit."""
    document, problems = fitting(outcome.document, check)
    return evolve(outcome, document=document, problems=[*outcome.problems, *problems]) if problems else outcome


def _remove(document: dict[str, Any], path: str) -> bool:
    """Take out the element that something is wrong with; whether it was there."""
    section, _, rest = path.partition(".")
    kind, _, rest = rest.partition(".")
    elements = document.get(section, {}).get(kind)
    words = rest.split(".")
    names = (".".join(words[:length]) for length in range(len(words), 0, -1))  # names may have dots
    name = next((name for name in names if isinstance(elements, Mapping) and name in elements), None)
    if not isinstance(elements, Mapping) or name is None:
        return False
    without = {key: value for key, value in elements.items() if key != name}
    document[section][kind] = {**without, name: CLOSED} if (section, kind) == ("tls", "options") else without
    return elements[name] is not CLOSED
