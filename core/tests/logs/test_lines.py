"""How events are written (operations.md §3.1)."""

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.logs import PANIC, TRACE
from pointsman.logs.lines import Common, Json, places


def event(
    text: str,
    *arguments: object,
    level: int = logging.ERROR,
    area: str = "pointsman.control",
    exc_info: Any = None,
    **names: Any,
) -> logging.LogRecord:
    record = logging.LogRecord(area, level, "/src/pointsman/control/gateway.py", 7, text, arguments, exc_info)
    record.created = 1_795_393_204.9
    record.__dict__.update(names)
    return record


@pytest.mark.parametrize(
    ("level", "short", "name"),
    [
        (TRACE, "TRC", "trace"),
        (logging.DEBUG, "DBG", "debug"),
        (logging.INFO, "INF", "info"),
        (logging.WARNING, "WRN", "warn"),
        (logging.ERROR, "ERR", "error"),
        (logging.CRITICAL, "FTL", "fatal"),
        (PANIC, "PNC", "panic"),
    ],
)
def test_levels_have_their_words(level: int, short: str, name: str) -> None:
    assert Common(False).format(event("hello", level=level)) == f"2026-11-23T00:20:04Z {short} hello"
    assert json.loads(Json().format(event("hello", level=level)))["level"] == name


def test_names_follow_the_text_and_are_quoted_if_need_be() -> None:
    line = Common(False).format(event("no such entry point", error="'to' is no good", entryPointName="a", serviceName=""))
    assert line == """2026-11-23T00:20:04Z ERR no such entry point error="'to' is no good" entryPointName=a"""


def test_a_name_that_the_text_tells_is_not_repeated() -> None:
    record = event("service %s: server %s is UP", "s@file", "http://a", serviceName="s@file", serverURL="http://a")
    assert Common(False).format(record) == "2026-11-23T00:20:04Z ERR service s@file: server http://a is UP"
    assert json.loads(Json().format(record))["serviceName"] == "s@file"


def test_json_has_level_names_time_and_message_in_this_order() -> None:
    record = event("it failed: %s", "why", routerName="r@file")
    assert Json(with_caller=True).format(record) == (
        '{"level":"error","area":"control","caller":"control/gateway.py:7","routerName":"r@file",'
        '"time":"2026-11-23T00:20:04Z","message":"it failed: why"}'
    )


def test_json_holds_nothing_that_terminals_obey() -> None:
    line = Json().format(event("a %s b", "\x1b[31m\x9b31m\x85\u2028\n"))
    assert line.isprintable()
    assert json.loads(line)["message"] == "a \x1b[31m\x9b31m\x85\u2028\n b"


def test_who_logged_is_told_where_debugging_is_on() -> None:
    assert Common(False, with_caller=True).format(event("hello")) == "2026-11-23T00:20:04Z ERR control/gateway.py:7 > hello"


def test_plugins_are_named_by_their_loggers() -> None:
    assert (
        Common(False).format(event("hello", area="pointsman.plugin.limit@file")).endswith("hello middlewareName=limit@file")
    )
    assert json.loads(Json().format(event("hello", area="pointsman.providers.file")))["providerName"] == "file"


def test_levels_are_coloured_where_it_is_wanted() -> None:
    assert Common(True).format(event("hello")) == "2026-11-23T00:20:04Z \x1b[31mERR\x1b[0m hello"


def test_a_traceback_is_indented_and_one_string_in_json() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = event("broken", exc_info=sys.exc_info())
    first, *rest = Common(False).format(record).split("\n")
    assert first.endswith("broken")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    found = json.loads(Json().format(record))
    assert (found["error"], found["stack"].split("\n")[0]) == ("ValueError: a\nb", "Traceback (most recent call last):")


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_an_event_is_one_line_whatever_is_in_it(text: str, name: str) -> None:
    record = event("%s", text, routerName=name)
    assert Common(False).format(record).isprintable()
    line = Json().format(record)
    assert len(line.splitlines()) == 1 or not set("\n\r") & set(line)
    assert json.loads(line)["message"] == text


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("http.routers.shop@file.rule", {"routerName": "shop@file"}),
        ("tcp.services.a.b@docker.loadBalancer", {"serviceName": "a.b@docker"}),
        ("http.middlewares.m@consulcatalog", {"middlewareName": "m@consulcatalog"}),
        ("entryPoints.web", {}),
        ("", {}),
    ],
)
def test_the_path_of_a_problem_names_somebody(path: str, names: dict[str, str]) -> None:
    assert places(path) == names
