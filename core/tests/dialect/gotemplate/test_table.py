"""Hundreds of small templates and what they print; `tests/oracle/test_templates.py` asks the real Traefik for the same."""

import ast
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pointsman.dialect.gotemplate import FILE_FUNCTIONS, Template, TemplateError

TABLE = Path(__file__).with_name("table.txt")


def rows() -> Iterator[tuple[str, str]]:
    """Templates, and what they print or 'error'."""
    lines = [line for line in TABLE.read_text().splitlines()[2:] if line and not line.startswith("# ")]
    for line, after in pairwise(lines):
        if not line.startswith("    ") and after.startswith("    "):
            yield line, after[4:]


ROWS = list(rows())


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("PM_X", "from env")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[f"row {number}" for number in range(len(ROWS))])
def test_a_template_prints_what_the_table_says(text, expected):
    if expected == "error":
        with pytest.raises(TemplateError) as caught:
            Template.parse(text, name="row.yml", functions=FILE_FUNCTIONS).render(False)
        assert caught.value.problems[0].path == f"row.yml:{caught.value.line}:{caught.value.column}"
    else:
        assert Template.parse(text, name="row.yml", functions=FILE_FUNCTIONS).render(False) == ast.literal_eval(expected)


def test_the_table_is_as_long_as_it_was():
    assert len(ROWS) >= 340
