"""compress: encode answers with gzip, Brotli or Zstandard, as clients accept it (middlewares.md §3.6)."""

from pointsman import Middleware, hookimpl
from pointsman_compress.compress import Compress


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Compress]
