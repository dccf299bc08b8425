"""What `log` in the static configuration says of levels and places (operations.md §3.1)."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.config.observability_model import Log
from pointsman.logs import TRACE, setup_logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    for handler in handlers:
        root.removeHandler(handler)
    yield
    setup_logging(Log())
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = raising


@pytest.mark.parametrize(
    ("word", "level"),
    [("TRACE", TRACE), ("debug", 10), ("Info", 20), ("warn", 30), ("", 40), ("FATAL", 50), ("PANIC", 60), ("disabled", 61)],
)
def test_levels_are_written_in_any_case(word: str, level: int) -> None:
    setup_logging(Log(level=word))
    assert logging.getLogger().level == level


def test_an_unknown_level_is_error(tmp_path: Path) -> None:
    setup_logging(Log(level="WARNING", file_path=str(tmp_path / "a.log")))
    assert logging.getLogger().level == logging.ERROR


def test_areas_have_levels_of_their_own_until_the_next_configuration(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    setup_logging(Log(level="ERROR", levels={"upstream": "DEBUG", "pointsman.control": "disabled"}, file_path=str(path)))
    logging.getLogger("pointsman.upstream.tcp").debug("tried")
    logging.getLogger("pointsman.control").critical("not said")
    logging.getLogger("pointsman.server").warning("not said")
    assert len(path.read_text().splitlines()) == 1
    setup_logging(Log(level="ERROR"))
    assert not logging.getLogger("pointsman.upstream.tcp").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("pointsman.control").isEnabledFor(logging.CRITICAL)


def test_the_file_is_opened_anew_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.log"
    reopen = setup_logging(Log(level="INFO", format="JSON", file_path=str(path)))
    path.rename(tmp_path / "old.log")
    reopen()
    logging.getLogger("pointsman").info("hello")
    assert path.read_text().startswith('{"level":"info"')


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        setup_logging(Log(file_path=str(tmp_path)))
