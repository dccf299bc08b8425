"""All nodes below the root, each watched, as keys and values, within limits (providers.md §4.3).

A node is a key by its value. One without value is either a block that has only its defaults, such as `tls`, or a folder:
it is a folder if it has, or ever had, nodes below.
"""

import asyncio
from typing import Any, Final

from kazoo.exceptions import NoAuthError, NoNodeError  # type: ignore[import-untyped]

from pointsman.errors import ConfigError, Problem
from pointsman_zookeeper.config import PATH
from pointsman_zookeeper.session import Session
from pointsman_zookeeper.threads import MOST_BYTES

SECTIONS: Final = {"http", "tcp", "udp", "tls"}
MOST_NODES: Final = 100_000
LISTING_SECONDS: Final = 60.0
_AT_ONCE: Final = 100
_NAMED: Final = 3
"""So many parts name an element (`http/routers/shop`): without anything below it is not written yet."""


async def read_tree(session: Session, root: str) -> dict[str, str]:
    """Values by key, without the root. ConfigError for what cannot be used, TimeoutError after a minute."""
    pairs: dict[str, str] = {}
    left = MOST_BYTES
    async with asyncio.timeout(LISTING_SECONDS):
        todo = [root] if await _asked(session.exists(root), root) is not None else []
        seen = 0
        while todo:
            seen += len(todo)
            if seen > MOST_NODES:
                raise ConfigError(Problem(f"{PATH}.rootKey", f"there are more than {MOST_NODES} nodes below {root}"))
            paths, todo = todo, []
            for start in range(0, len(paths), _AT_ONCE):
                part = paths[start : start + _AT_ONCE]
                found = await asyncio.gather(*(_node(session, path) for path in part))
                for path, node in zip(part, found, strict=True):
                    if node is None:
                        continue
                    value, names, was_folder = node
                    left -= len(value) + len(path)
                    todo += [f"{path}/{name}" for name in names if path != root or name.lower() in SECTIONS]
                    key = path[len(root) + 1 :]
                    if key and (value or not (names or was_folder or key.count("/") < _NAMED)):
                        pairs[key] = _text(value, path)
                if left < 0:
                    raise ConfigError(Problem(f"{PATH}.rootKey", f"names and values hold more than {MOST_BYTES >> 20} MiB"))
    return pairs


async def _node(session: Session, path: str) -> tuple[bytes, list[str], bool] | None:
    """Value, names of those below, whether there ever were any; None if it is gone by now."""
    answers = session.get(path), session.children(path)
    results = await asyncio.gather(*(_asked(answer, path) for answer in answers))
    if None in results:
        return None
    (value, stat), names = results
    return value or b"", names, stat.cversion > 0


async def _asked(answer: "asyncio.Future[Any]", path: str) -> Any:
    try:
        return await answer
    except NoNodeError:
        return None
    except NoAuthError:
        raise ConfigError(
            Problem(path, "may not be read with this name and password; mend them, or its access list")
        ) from None


def _text(value: bytes, path: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConfigError(Problem(path, "does not hold text in UTF-8")) from None
