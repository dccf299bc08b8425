"""FNV-1 of 64 bits, by which the dialect names things: cookies of servers, canaries of catalogues, routers in a header."""


def fnv1(data: bytes) -> int:
    """Not FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF) ^ byte
    return value
