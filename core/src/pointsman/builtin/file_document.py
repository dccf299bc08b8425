"""Several files to one document: the first in lexical order wins (providers.md §2.1). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.config.dynamic import CERTIFICATES, SECTIONS, declared
from pointsman.errors import Problem


def combine(files: Iterable[tuple[str, Mapping[str, Any], bool]]) -> tuple[dict[str, Any], list[Problem]]:
    """One document of (name, content, whether to speak of its duplicates), and a warning for each element passed over.

    Every section is there, if empty, so that what is gone is cleared.
    """
    owners: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    elements: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    certificates: list[Any] = []
    warnings: list[Problem] = []
    for file, document, outspoken in files:
        for section, name, element in declared(document):
            if section == CERTIFICATES:
                _add_certificate(certificates, element)
            elif name not in elements[section]:
                elements[section][name] = element
                owners[section][name] = file
            elif outspoken:
                owner = owners[section][name]
                message = f"already configured, skipping; {owner} has that name first, so rename one of the two"
                warnings.append(Problem(f"{file}: {section}.{name}", message, warning=True))
    document = {}
    for section, named in elements.items():
        root, _, key = section.partition(".")
        document.setdefault(root, {})[key] = certificates if section == CERTIFICATES else named
    return document, warnings


def _add_certificate(certificates: list[Any], element: Any) -> None:
    """Append it, or, if only its stores are new, unite those."""
    if isinstance(element, Mapping):
        for place, other in enumerate(certificates):
            if isinstance(other, Mapping) and other is not element and _parts(other)[0] == _parts(element)[0]:
                own, stores = _parts(other)
                both = list(dict.fromkeys([*stores, *_parts(element)[1]]))
                certificates[place] = {**own, "stores": both} if both else dict(own)
                return
    certificates.append(element)


def _parts(certificate: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A certificate without its stores, and those."""
    own: dict[str, Any] = {}
    stores: list[Any] = []
    for key, value in certificate.items():
        if str(key).lower() != "stores":
            own[str(key)] = value
        elif isinstance(value, str):
            stores += [part.strip() for part in value.split(",")]
        elif value is not None:
            stores += value
    return own, stores
