"""What the path middlewares share: pure functions over bytes (middlewares.md §2.1).

A path stays percent-encoded all the way. What is configured is decoded text, so it is encoded once, when it is loaded;
escapes in the client's part are never decoded, only compared decoded.
"""

from pointsman import Response, decoded, encoded, sanitise


def literal(text: str) -> bytes:
    """A configured path as it stands in a request: encoded, with a leading slash, dot and empty segments resolved."""
    path = encoded(text.encode())
    return sanitise(path if path.startswith(b"/") else b"/" + path)


def is_sane(path: bytes) -> bool:
    """False if the path has empty or dot segments: it would mean something else to whoever resolves them.

    An escaped slash divides dot segments, but makes no empty ones: `/http:%2F%2Fa.example/` is a path with an address in it.
    """
    if b"//" in path:
        return False
    if 0x25 in path:  # by its number: CPython finds it ten times faster
        path = decoded(path)
    return b"/." not in path or not {b".", b".."} & set(path.split(b"/"))


def after(path: bytes, count: int) -> bytes:
    """What is left of an encoded path once `count` decoded bytes are taken off its front."""
    if b"%" not in path:
        return path[count:]
    position = 0
    for _ in range(count):
        position += 3 if path[position] == 0x25 else 1
    return path[position:]


def bad_request() -> Response:
    """The answer to a path that is not sane after rewriting."""
    return Response.text(400, "Bad Request\n")
