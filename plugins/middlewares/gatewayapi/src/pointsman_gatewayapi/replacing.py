"""A path in place of another, or of its prefix: the arithmetic of HTTPPathModifier. Pure."""

from typing import Any

from attrs import frozen

from pointsman import encoded, sanitise


def absolute(_instance: object, _attribute: Any, value: str | None) -> None:
    """A validator for paths. ValueError for one that is none."""
    if value and not value.startswith("/"):
        raise ValueError(f"'{value}' does not begin with a slash")


@frozen
class Replacement:
    """What is done to a path, which is encoded."""

    path: bytes
    prefix: bytes | None
    """Decoded, without a slash at its end; None if all of the path is replaced."""

    @classmethod
    def of(cls, path: str | None, prefix: str | None) -> "Replacement | None":
        """None if the path stays as it is."""
        if path is None:
            return None
        new = sanitise(encoded(path.encode())) if path else b""
        return cls(new, None if prefix is None else prefix.encode().rstrip(b"/"))

    def __call__(self, path: bytes, decoded: bytes) -> bytes:
        """The new path; `decoded` is the old one without escapes. One that has not the prefix stays."""
        if self.prefix is None:
            return self.path or b"/"
        if not decoded.startswith(self.prefix) or decoded[len(self.prefix) : len(self.prefix) + 1] not in (b"", b"/"):
            return path
        rest = after(path, len(self.prefix)).lstrip(b"/")
        if rest:
            return self.path.rstrip(b"/") + b"/" + rest
        if path.endswith(b"/") and not self.path.endswith(b"/"):
            return self.path + b"/"
        return self.path or b"/"


def after(path: bytes, count: int) -> bytes:
    """What is left of an encoded path once `count` decoded bytes are taken off its front."""
    position = 0
    for _ in range(count if 0x25 in path else 0):
        position += 3 if path[position] == 0x25 else 1
    return path[position:] if position else path[count:]
