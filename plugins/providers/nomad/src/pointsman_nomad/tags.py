"""Tags as labels, and what instances are called by them (providers.md §5.3, §5.4). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pointsman.dialect.gotemplate.functions.strings import normalize

ENABLE: Final = "traefik.enable"
CANARY: Final = "traefik.nomad.canary"
_OFFSET: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3


def labels_of(tags: Iterable[str], prefix: str) -> dict[str, str]:
    """`<prefix>.http... = x` as `traefik.http...`: `x`. Tags without `=`, and those of others, are none."""
    labels = {}
    for tag in tags:
        key, equals, value = tag.partition("=")
        name = key.strip()
        if equals and name.startswith(f"{prefix}."):
            label = f"traefik.{name.removeprefix(f'{prefix}.')}"
            labels[label] = _truth(value) if label == ENABLE else value.strip()
    return labels


def _truth(value: str) -> str:
    """Here only `true` means that, in any case."""
    return "true" if value.strip().lower() == "true" else "false"


def name_of(service: str, tags: Sequence[str], labels: Mapping[str, str]) -> str:
    """`.Name`. Canaries are called by their tags, too, so that they do not join those that are none."""
    if labels.get(CANARY, "").lower() != "true":
        return normalize(service)
    return normalize(f"{service}-{fnv1(''.join(sorted(tags)).encode())}")


def fnv1(data: bytes) -> int:
    """The hash FNV-1 with 64 bits."""
    value = _OFFSET
    for byte in data:
        value = value * _PRIME % 2**64 ^ byte
    return value
