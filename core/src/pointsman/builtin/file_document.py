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
    places: dict[str, int] = {}
    warnings: list[Problem] = []
    for file, document, outspoken in files:
        for section, name, element in declared(document):
            if section == CERTIFICATES:
                _add_certificate(certificates, places, element)
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


def _add_certificate(certificates: list[Any], places: dict[str, int], element: Any) -> None:
    """Append it, or, if only its stores are new, unite those. `places` are those of certificates, by what they are."""
    if isinstance(element, Mapping):
        own, stores = _parts(element)
        place = places.setdefault(repr(sorted(own.items(), key=repr)), len(certificates))
        if place < len(certificates):
            _, known = _parts(certificates[place])
            both = list(dict.fromkeys([*known, *stores]))
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
