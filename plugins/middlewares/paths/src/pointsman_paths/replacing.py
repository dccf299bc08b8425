"""What replacePath and replacePathRegex share: the header that keeps the old path (middlewares.md §3.20)."""

from pointsman import Request

REPLACED_PATH = b"x-replaced-path"
_ALIASES = bytes.maketrans(b"_.", b"--")
_STATE = "pointsman_paths.replaced"


def disclaim(request: Request) -> None:
    """Drop what the client says in X-Replaced-Path, however it is spelled (D10). Lines that `replace` added stay."""
    own = request.state.setdefault(_STATE, [])
    for name, _ in request.headers:
        if len(name) == len(REPLACED_PATH) and name.translate(_ALIASES) == REPLACED_PATH:
            break
    else:
        return
    raw = request.headers.raw
    raw[:] = [line for line in raw if line[0].translate(_ALIASES) != REPLACED_PATH or any(line is ours for ours in own)]


def replace(request: Request, path: bytes) -> None:
    """Give the request another path, a canonical one, and say which it had."""
    request.headers.add(REPLACED_PATH, request.path)
    request.state.setdefault(_STATE, []).append(request.headers.pairs()[-1])
    request.rewrite(path)
