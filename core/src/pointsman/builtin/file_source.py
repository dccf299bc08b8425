"""One configuration file: read when it changed, and its last good content kept (providers.md §2.1, §7).

Theory of operation. A file is read when its signature (device, inode, size, times) is not the one read before, or when that
one was so young that another write may hide behind it; then its bytes decide. Nobody tells when a writer has finished, so a
change must have rested for a moment; and what would take something away (an empty file, one that cannot be read or
understood) must last a little longer, since it is what a file looks like while it is being written or replaced.

A file with `{{` is a template of Go; what it makes is the text that counts.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from pointsman.builtin.file_scan import shown
from pointsman.config.load import load_text
from pointsman.errors import ConfigError, Problem

MAX_BYTES: Final = 256 * 1024 * 1024
SETTLE_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 0.3
COARSE_SECONDS: Final = 2.0
"""The coarsest clock of a file system: two writes within it may bear the same time."""

_MARK: Final = b"{{"
"""What makes a file a template: its text may change while its bytes do not."""

Check = Callable[[Mapping[str, Any]], Sequence[Problem]]
Signature = tuple[int, int, int, int, int]


class Doubt:
    """Something that would take content away, and since when it lasts."""

    def __init__(self) -> None:
        self._since: float | None = None

    def remaining(self) -> float:
        """Seconds until it is to be believed; 0 if it is."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return max(0.0, self._since + PATIENCE_SECONDS - now)

    def clear(self) -> None:
        self._since = None


class _TooEarly(Exception):
    """The file may still be being written."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Source:
    """One file. `document` is its last good content, None before there was any; `problems` what is wrong with it now."""

    def __init__(self, path: str, check: Check, log_text: Callable[[str, str], None] | None = None) -> None:
        self.path = path
        self.shown = shown(path)
        self.document: Mapping[str, Any] | None = None
        self.problems: tuple[Problem, ...] = ()
        self.gone = Doubt()
        """That the directory no longer lists it."""
        self._check = check
        self._log_text = log_text
        self._doubt = Doubt()
        self._signature: Signature | None = None
        self._fresh = False
        self._forced = False
        """Whether it shall be read in any case, as soon as it has rested."""
        self._digest = b""

    def __repr__(self) -> str:
        return f"<Source {self.shown}{'' if self.document is None else ' good'}, {len(self.problems)} problems>"

    def look(self, *, force: bool = False, trusting: bool = False) -> tuple[bool, float]:
        """Whether it changed, and in how many seconds to look again (0: only when told).

        `force` reads it in any case. `trusting` believes what it finds at once: there is nothing to lose yet.
        """
        self._forced |= force
        try:
            if not self._forced and not self._fresh and _signature(os.stat(self.path)) == self._signature:
                self._doubt.clear()
                return False, 0.0
            data, info = self._read(trusting)
        except _TooEarly as early:
            return False, early.seconds
        except OSError as error:
            return self._doubtful((Problem(self.shown, f"cannot be read: {error.strerror or error}"),), trusting)
        except ConfigError as error:
            return self._doubtful(error.problems, trusting)
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if digest == self._digest and not (self._forced and _MARK in data):
            self._remember(info, digest)
            return False, 0.0
        return self._take(data, info, digest, trusting)

    def _read(self, trusting: bool) -> tuple[bytes, os.stat_result]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # never waits, not even for a pipe
        with open(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise ConfigError(Problem(self.shown, "is not a regular file; a configuration is read from files only"))
            if info.st_size > MAX_BYTES:
                message = f"is {info.st_size} bytes long; a configuration file may have {MAX_BYTES}, so split it"
                raise ConfigError(Problem(self.shown, message))
            age = time.time() - info.st_mtime
            if not trusting and 0 <= age < SETTLE_SECONDS:
                raise _TooEarly(SETTLE_SECONDS - age)
            data = file.read(info.st_size + 1)
            if not trusting and (len(data) != info.st_size or _signature(os.fstat(descriptor)) != _signature(info)):
                raise _TooEarly(SETTLE_SECONDS)
        return data, info

    def _take(self, data: bytes, info: os.stat_result, digest: bytes, trusting: bool) -> tuple[bool, float]:
        try:
            document, problems = self._understand(data)
        except ConfigError as error:
            changed, again = self._doubtful(error.problems, trusting)
            if not again:
                self._remember(info, digest)
            return changed, again
        if not document and self.document and not trusting and (again := self._doubt.remaining()):
            return False, again
        self._remember(info, digest)
        self.document, self.problems = document, tuple(problems)
        return True, 0.0

    def _understand(self, data: bytes) -> tuple[Mapping[str, Any], Sequence[Problem]]:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            message = f"is not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8"
            raise ConfigError(Problem(self.shown, message)) from None
        made = self._rendered(text)
        if self._log_text is not None:
            self._log_text(self.shown, made)
        try:
            document = load_text(made, self.shown)
        except ConfigError as error:
            if made is text:
                raise
            where = "; the place is that in the text after templating"
            raise ConfigError([evolve(each, message=each.message + where) for each in error.problems]) from None
        if document is None:
            return {}, ()
        problems = [
            Problem(f"{self.shown}: {problem.path}" if problem.path else self.shown, problem.message, problem.warning)
            for problem in self._check(document)
        ]
        if not all(problem.warning for problem in problems):
            raise ConfigError(problems)
        return document, problems

    def _rendered(self, text: str) -> str:
        if _MARK.decode() not in text:
            return text
        from pointsman.dialect.gotemplate import FILE_FUNCTIONS, Template  # costs those who have templates

        made = Template.parse(text, name=self.shown, functions=FILE_FUNCTIONS).render(False)
        try:
            made.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                Problem(self.shown, "its template makes text that is not UTF-8; see what cuts characters")
            ) from None
        return made

    def _doubtful(self, problems: tuple[Problem, ...], trusting: bool) -> tuple[bool, float]:
        if not trusting and problems != self.problems and (again := self._doubt.remaining()):
            return False, again
        changed = problems != self.problems
        self.problems = problems
        self._signature, self._digest, self._fresh = None, b"", False
        return changed, 0.0

    def _remember(self, info: os.stat_result, digest: bytes) -> None:
        self._forced = False
        self._doubt.clear()
        self._signature, self._digest = _signature(info), digest
        self._fresh = time.time() - info.st_mtime < COARSE_SECONDS


def _signature(info: os.stat_result) -> Signature:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
