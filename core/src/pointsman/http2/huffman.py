"""The Huffman code of HPACK (RFC 7541 §5.2), read a byte at a time.

The states are the 256 inner nodes of the code tree. What a byte does in a state is worked out from the tree when it is first
met, and kept: at most 256 x 256 steps. The code itself comes from the `hpack` library.
"""

from typing import Final

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

_EOS: Final = 256
_START: Final = 0


class BadCode(Exception):
    """Bytes that are no Huffman-coded string."""


def _tree() -> tuple[list[list[int]], set[int]]:
    """Per inner node its two children: another inner node, or `-1 - symbol`; and the nodes in which a string may end."""
    nodes: list[list[int | None]] = [[None, None]]
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        node = 0
        for bit in range(length - 1, 0, -1):
            side = code >> bit & 1
            child = nodes[node][side]
            if child is None:
                child = nodes[node][side] = len(nodes)
                nodes.append([None, None])
            node = child
        nodes[node][code & 1] = -1 - symbol
    ends, node = {0}, 0
    for _ in range(7):  # padding: at most seven ones
        child = nodes[node][1]
        assert child is not None
        node = child
        ends.add(node)
    return [[side for side in sides if side is not None] for sides in nodes], ends


_NODES, _ENDS = _tree()


class _Steps(dict[int, tuple[int, bytes]]):
    """state << 8 | byte -> next state << 8, and the symbols that are complete."""

    def __missing__(self, key: int) -> tuple[int, bytes]:
        node, byte = key >> 8, key & 0xFF
        symbols = bytearray()
        for bit in range(7, -1, -1):
            node = _NODES[node][byte >> bit & 1]
            if node < 0:
                if node == -1 - _EOS:
                    raise BadCode("EOS in a Huffman-coded string")
                symbols.append(-1 - node)
                node = _START
        step = self[key] = (node << 8, bytes(symbols))
        return step


_STEPS: Final = _Steps()


def decode(data: bytes) -> bytes:
    """The string behind `data`. BadCode if there is none."""
    steps = _STEPS
    state = 0
    symbols = []
    for byte in data:
        state, complete = steps[state | byte]
        symbols.append(complete)
    if state >> 8 not in _ENDS:
        raise BadCode("a Huffman-coded string does not end in ones")
    return b"".join(symbols)
