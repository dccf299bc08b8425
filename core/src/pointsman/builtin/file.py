"""The file provider: one file or a directory of them, live while they change (providers.md §2.1, §7).

Each file keeps its own last good content. Two guards against harm: what would take content away must last a moment
(`file_source`), and a slow look at all signatures finds what no event told (network file systems, lost events).
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from attrs import define, field, frozen

from pointsman.api import ProviderContext, Publish
from pointsman.builtin.file_document import combine
from pointsman.builtin.file_scan import Listing, Watched, list_directory, list_file, shown
from pointsman.builtin.file_source import Doubt, Source
from pointsman.builtin.file_watch import Watch
from pointsman.errors import ConfigError, Problem
from pointsman.values import option

SLOW_LOOK_SECONDS: Final = 5.0
"""How often to look without being told; longer where looking itself takes long."""


@frozen
class FileConfig:
    filename: str = option(default="", help="The file to read")
    directory: str = option(default="", help="The directory whose .toml, .yaml and .yml files to read; wins over filename")
    watch: bool = option(default=True, help="Reload on change")
    debug_log_generated_template: bool = option(default=False, help="Log the text of each file that is read")


@define
class Report:
    """What one look found. Without a document nothing was ever good."""

    document: Mapping[str, Any] | None
    problems: tuple[Problem, ...]
    changed: bool
    again_seconds: float
    """When to look again for what is in doubt; 0 if nothing is."""
    watch: frozenset[Watched]


@define
class Files:
    """All files and what they say together. Blocking: `look` is called in a thread, one call at a time."""

    config: FileConfig
    context: ProviderContext
    sources: dict[str, Source] = field(factory=dict, init=False)
    _document: Mapping[str, Any] | None = field(default=None, init=False)
    _duplicates: tuple[Problem, ...] = field(default=(), init=False)
    _places: tuple[Problem, ...] = field(default=(), init=False)
    """What is wrong with directories."""
    _lost: Doubt = field(factory=Doubt, init=False)
    _told: tuple[Problem, ...] = field(default=(), init=False)

    def look(self, *, force: bool = False) -> Report:
        """Read what changed; with `force` all."""
        trusting = self._document is None
        listing = list_directory(self.config.directory) if self.config.directory else list_file(self.config.filename)
        again = [self._note_places(listing, trusting)]
        changed = False
        for path in listing.files:
            source = self.sources.get(path) or self._begin(path)
            source.gone.clear()
            differs, later = source.look(force=force, trusting=trusting)
            changed |= differs
            again.append(later)
        gone, later = self._drop_gone(listing)
        again.append(later)
        if changed or gone or (trusting and not listing.unreadable):
            self._combine(listing)
        problems = (*self._places, *(each for source in self._in_order() for each in source.problems), *self._duplicates)
        differs = changed or gone or problems != self._told
        self._told = problems
        return Report(self._document, problems, differs, min(filter(None, again), default=0.0), frozenset(listing.watch))

    def _begin(self, path: str) -> Source:
        log_text = self._log_text if self.config.debug_log_generated_template else None
        source = self.sources[path] = Source(path, self.context.check, log_text)
        return source

    def _log_text(self, name: str, text: str) -> None:
        self.context.logger.debug("text of %s:\n%s", name, text)

    def _note_places(self, listing: Listing, trusting: bool) -> float:
        """Believe what is wrong with directories once it lasts: a directory that is replaced is away for a moment."""
        found = tuple(listing.problems)
        if found == self._places or not listing.unreadable:
            self._lost.clear()
        elif not trusting and (later := self._lost.remaining()):
            return later
        self._places = found
        return 0.0

    def _drop_gone(self, listing: Listing) -> tuple[bool, float]:
        """Forget files that are away for a while; not those in a directory that cannot be read."""
        listed = set(listing.files)
        unreadable = tuple(f"{directory.rstrip('/')}/" for directory in listing.unreadable)
        dropped, again = False, []
        for path, source in list(self.sources.items()):
            if path in listed or (unreadable and path.startswith(unreadable)):
                continue
            if later := source.gone.remaining():
                again.append(later)
                continue
            del self.sources[path]
            dropped = True
        return dropped, min(again, default=0.0)

    def _in_order(self) -> list[Source]:
        return [self.sources[path] for path in sorted(self.sources, key=lambda path: path.split("/"))]

    def _combine(self, listing: Listing) -> None:
        listed = set(listing.files)
        good = [source for source in self._in_order() if source.document is not None]
        if not good and self.sources and self._document is None:
            return  # nothing was ever good
        good.sort(key=lambda source: source.path not in listed)  # who is about to go has no say over who came
        files = [(source.shown, source.document or {}, source.path in listed) for source in good]
        self._document, duplicates = combine(files)
        self._duplicates = tuple(duplicates)


class FileProvider:
    name: ClassVar[str] = "file"
    Config: ClassVar[type] = FileConfig

    def __init__(self, config: FileConfig, context: ProviderContext) -> None:
        if not config.filename and not config.directory:
            raise ConfigError(Problem("providers.file", "names nothing to read; give 'filename' or 'directory'"))
        self._config = config
        self._log: logging.Logger = context.logger
        self._files = Files(config, context)
        self._wake = asyncio.Event()
        self._force = False
        self._watch: Watch | None = None

    def __repr__(self) -> str:
        return f"<FileProvider {shown(self._config.directory or self._config.filename)}, {len(self._files.sources)} files>"

    def read(self) -> tuple[Mapping[str, Any], Sequence[Problem]]:
        """What the files say now."""
        report = Files(self._config, self._files.context).look()
        return report.document or {}, report.problems

    def refresh(self) -> None:
        """Read everything again, also with `watch: false`."""
        self._force = True
        self._wake.set()

    async def provide(self, publish: Publish) -> None:
        report = await asyncio.to_thread(self._files.look)
        if report.document is None and not self._config.watch:
            raise ConfigError(report.problems)
        publish(report.document or {}, report.problems)
        try:
            await self._follow(publish, report)
        finally:
            await self.aclose()

    async def _follow(self, publish: Publish, report: Report) -> None:
        watched: frozenset[Watched] = frozenset()
        slow = SLOW_LOOK_SECONDS
        while True:
            if self._config.watch and report.watch != watched:
                watched = report.watch
                await self._listen(watched)  # and look once more: what happened meanwhile nobody told
            else:
                await self._told(report.again_seconds or (slow if self._config.watch else 0))
            self._wake.clear()
            force, self._force = self._force, False
            start = time.monotonic()
            report = await asyncio.to_thread(self._files.look, force=force)
            slow = max(SLOW_LOOK_SECONDS, 100 * (time.monotonic() - start))
            if report.changed:
                publish(report.document or {}, report.problems)

    async def _told(self, seconds: float) -> None:
        """Wait until something happens; at most so long, for ever if 0."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                await self._wake.wait()

    async def _listen(self, watched: frozenset[Watched]) -> None:
        """Watch these directories instead of those before."""
        before, self._watch = self._watch, None
        try:
            self._watch = Watch([directory for directory, _, _ in watched], self._wake.set)
        except (OSError, UnicodeError, RuntimeError) as error:
            self._log.warning(
                "the file provider cannot be told of changes (%s); it looks every %.0f s instead", error, SLOW_LOOK_SECONDS
            )
        if before is not None:
            before.stop()

    async def aclose(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
