"""Names of what is made of objects (kubernetes.md, head), and texts in rules."""

import hashlib
import json

from pointsman.dialect.gotemplate.functions.strings import normalize


def norm(*parts: str | int) -> str:
    """The parts joined by `-`, and all that is no letter or number in `-`."""
    return normalize("-".join(str(part) for part in parts))


def digest(text: str) -> str:
    """The first 10 bytes of its SHA-256, as 20 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:20]


def quoted(text: str) -> str:
    """The text as an argument in a rule, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)
