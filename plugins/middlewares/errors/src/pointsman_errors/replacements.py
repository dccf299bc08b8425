"""What is sent in place of each status: found out once for a status, when it is first met."""

from attrs import frozen

from pointsman.dialect.statuses import statuses
from pointsman.errors import ConfigError, Problem
from pointsman_errors.config import LOWEST_SENT, ErrorsConfig, by_status, rewrites
from pointsman_errors.pages import StaticPage, Template
from pointsman_errors.target import Query, Target


@frozen
class Replacement:
    """What is sent in place of one status."""

    status: int
    target: Target | None = None
    page: StaticPage | None = None


class Replacements(dict[int, Replacement | None]):
    """By the status of an answer; None for one that is not replaced."""

    def __init__(self, config: ErrorsConfig) -> None:
        """ConfigError for what cannot be, and for a status that there is no page for."""
        super().__init__()
        try:
            listed = statuses(config.status)
        except ValueError as error:
            raise ConfigError(Problem("status", str(error))) from None
        self._sent = rewrites(config)
        self._query = Query(config.query)
        written = {text: Template(page, f"pages.{text}") for text, page in config.pages.items()}
        self._pages = by_status("pages", written)
        self._replaced = frozenset(status for status in listed | self._pages.keys() if status >= LOWEST_SENT)
        lacking = [] if config.service else sorted(status for status in self._replaced if self._template(status) is None)
        if lacking:
            raise ConfigError(Problem("status", f"there is no page for {lacking[0]}; write one, or name a service"))

    def __missing__(self, status: int) -> Replacement | None:
        self[status] = found = self._find(status) if status in self._replaced else None
        return found

    def _find(self, status: int) -> Replacement:
        sent, template = self._sent.get(status, status), self._template(status)
        if template is not None:
            return Replacement(sent, page=template.page(sent, status))
        return Replacement(sent, target=self._query.target(sent, status))

    def _template(self, status: int) -> Template | None:
        """The page for what it becomes, or else for what it was."""
        return self._pages.get(self._sent.get(status, status)) or self._pages.get(status)
