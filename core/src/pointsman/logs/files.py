"""The log in a file that several processes share, turned over when it is large (operations.md §3.1).

Every line is one write to a file that is opened for appending, so processes do not mix theirs. Before a line each looks
whether the path still leads to its file; who finds it too large locks it, gives it another name, and opens a new one.
"""

import fcntl
import gzip
import logging
import os
import re
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from pointsman.logs.lines import lost

DEFAULT_MEGABYTES: Final = 100
SETTLE_SECONDS: Final = 2.0
"""How long a file that was turned over is left alone: others may still be writing to it."""
_STAMP: Final = re.compile(r"-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}")


def open_to_append(path: Path, mode: int, flags: int = 0) -> int:
    """A descriptor that appends; missing folders are made. OSError.

    A named pipe is opened for reading, too: so nobody waits for its reader, who may go and come again (fifo(7)).
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        piped = stat.S_ISFIFO(path.stat().st_mode)
    except FileNotFoundError:
        piped = False
    access = os.O_RDWR if piped else os.O_WRONLY
    return os.open(path, access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | flags, mode)


class LogFile(logging.Handler):
    """OSError if the file cannot be opened. Zero is 100 megabytes, and for ever with the others."""

    def __init__(
        self, path: str, *, max_megabytes: int = 0, max_days: int = 0, max_backups: int = 0, compress: bool = False
    ) -> None:
        super().__init__()
        self._path = Path(path).absolute()
        self._max_bytes = (max_megabytes or DEFAULT_MEGABYTES) * 1_000_000
        self._max_seconds = max_days * 86_400
        self._max_backups = max_backups
        self._compress = compress
        self._lost = 0
        self._descriptor = self._open()

    def _open(self) -> int:
        return open_to_append(self._path, 0o600, os.O_NONBLOCK)  # of a pipe that nobody empties: lines are lost

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event. What finds no room on the disk is counted, and told when there is room again."""
        line = self.format(record) + "\n"
        try:
            if self._lost:
                line = f"{self.format(lost(record.name, self._lost))}\n{line}"
            self._follow()
            os.write(self._descriptor, line.encode("utf-8", "replace"))
            self._lost = 0
        except OSError:
            self._lost += 1

    def reopen(self) -> None:
        """The file has been moved: go on in a new one (SIGUSR1). Where that fails, in the old one."""
        self.acquire()
        try:
            with suppress(OSError):
                self._renew()
        finally:
            self.release()

    def close(self) -> None:
        self.acquire()
        try:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        finally:
            self.release()
        super().close()

    def _renew(self) -> None:
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _follow(self) -> None:
        """Go on where the others do, and turn the file over if it is large."""
        if not self._is_current():
            self._renew()
        if os.fstat(self._descriptor).st_size < self._max_bytes:
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # given back when the file is closed
        if self._is_current():
            seconds = time.time()
            stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}"
            backup = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
            os.rename(self._path, backup)
            threading.Thread(target=self._tidy, args=(backup,), name="log rotation", daemon=True).start()
        self._renew()

    def _is_current(self) -> bool:
        try:
            found, ours = os.stat(self._path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (found.st_ino, found.st_dev) == (ours.st_ino, ours.st_dev)

    def _tidy(self, backup: Path) -> None:
        """Pack the latest file if that is wanted, and delete what is too old or too much."""
        with suppress(OSError):
            if self._compress:
                time.sleep(SETTLE_SECONDS)
                _pack(backup)
            backups = sorted(filter(self._is_backup, self._path.parent.iterdir()), reverse=True)
            now = time.time()
            for number, old in enumerate(backups):
                too_many = self._max_backups and number >= self._max_backups
                if too_many or (self._max_seconds and now - old.stat().st_mtime > self._max_seconds):
                    old.unlink(missing_ok=True)

    def _is_backup(self, path: Path) -> bool:
        name = path.name.removesuffix(".gz")
        stem, suffix = self._path.stem, self._path.suffix
        if not (name.startswith(stem) and name.endswith(suffix)):
            return False
        return _STAMP.fullmatch(name[len(stem) : len(name) - len(suffix)]) is not None


def _pack(path: Path) -> None:
    packed = path.with_name(f"{path.name}.gz")
    part = path.with_name(f"{path.name}.part")
    with path.open("rb") as plain, gzip.open(part, "wb") as file:
        shutil.copyfileobj(plain, file)
    part.rename(packed)
    path.unlink()
