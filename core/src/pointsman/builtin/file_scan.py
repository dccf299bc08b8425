"""Which files a directory holds, and what to watch to hear of every change (providers.md §2.1). Blocking; no asyncio."""

import os
import stat
from collections import deque
from collections.abc import Iterator

from attrs import Factory, define

from pointsman.errors import Problem

EXTENSIONS = (".toml", ".yaml", ".yml")
MAX_DEPTH = 64
MAX_LINKS = 40

Watched = tuple[str, int, int]
"""A directory without links in its path, its device and inode: one that was replaced is another."""


@define
class Listing:
    """The configuration files in lexical order, where to watch, and what is in the way."""

    files: list[str] = Factory(list)
    watch: set[Watched] = Factory(set)
    problems: list[Problem] = Factory(list)
    unreadable: list[str] = Factory(list)
    """Directories of which nobody can say what is in them: what was read there stays."""


def shown(path: str) -> str:
    """A path fit for a message, whatever bytes it holds."""
    return path.encode("utf-8", "backslashreplace").decode()


def list_file(filename: str) -> Listing:
    """The one file; it need not exist."""
    return Listing([filename], set(_watched(trail(filename, end=True))))


def list_directory(directory: str) -> Listing:
    """All files below it. Links are followed, and each directory is entered once, so that loops end."""
    listing = Listing(watch=set(_watched(trail(directory))))
    _enter(directory, os.path.realpath(directory), 0, listing, set())
    return listing


def _enter(directory: str, real: str, depth: int, listing: Listing, entered: set[tuple[int, int]]) -> None:
    try:
        info = os.stat(real)
        identity = info.st_dev, info.st_ino
        if identity in entered:
            return
        entered.add(identity)
        if depth > MAX_DEPTH:
            raise OSError(f"more than {MAX_DEPTH} directories deep")
        with os.scandir(real) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        listing.unreadable.append(directory)
        listing.problems.append(Problem(shown(directory), f"cannot be read: {error.strerror or error}"))
        return
    listing.watch.add((real, *identity))
    for entry in found:
        # `..data` and `..2024_05_01` are how Kubernetes swaps a mounted volume; `.#x.yml` is an editor's lock
        if not entry.name.startswith(("..", ".#")):
            _take(entry, os.path.join(directory, entry.name), os.path.join(real, entry.name), depth, listing, entered)


def _take(
    entry: os.DirEntry[str], path: str, real: str, depth: int, listing: Listing, entered: set[tuple[int, int]]
) -> None:
    wanted = entry.name.lower().endswith(EXTENSIONS)
    linked = entry.is_symlink()
    try:
        mode = entry.stat().st_mode
    except OSError:  # a link to nothing: what was read through it stays, and reading says what is wrong
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        if linked:
            listing.watch.update(_watched(trail(real)))
        _enter(path, os.path.realpath(real) if linked else real, depth + 1, listing, entered)
    elif wanted and stat.S_ISREG(mode):
        if linked:
            listing.watch.update(_watched(trail(real, end=True)))
        listing.files.append(path)
    elif wanted:
        message = "is not a regular file (a pipe, socket or device) and is ignored"
        listing.problems.append(Problem(shown(path), message, warning=True))


def trail(path: str, *, end: bool = False) -> Iterator[str]:
    """The directories in which a new entry would change what `path` means: those that hold a link on its way, and the last
    one that exists if it does not. With `end` also the one that holds what it leads to.
    """
    left = deque(os.path.join(os.getcwd(), path).split("/"))
    here = "/"
    links = 0
    while left:
        name = left.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        there = os.path.join(here, name)
        try:
            target = os.readlink(there) if stat.S_ISLNK(os.lstat(there).st_mode) else None
        except OSError:
            yield here
            return
        if target is None:
            if end and not any(left):
                yield here
            here = there
            continue
        yield here
        links += 1
        if links > MAX_LINKS:
            return
        left.extendleft(reversed(target.split("/")))
        here = "/" if target.startswith("/") else here


def _watched(directories: Iterator[str]) -> Iterator[Watched]:
    for directory in directories:
        try:
            info = os.stat(directory)
        except OSError:  # gone since; whoever holds it tells
            continue
        yield directory, info.st_dev, info.st_ino
