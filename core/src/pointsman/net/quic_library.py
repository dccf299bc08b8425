"""Whether the library for QUIC is here: only `pointsman[http3]` brings it."""

from functools import cache
from importlib.util import find_spec


@cache
def has_quic() -> bool:
    return find_spec("aioquic") is not None
