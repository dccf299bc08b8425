"""Problems with the line and column of what they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.lines import with_lines
from pointsman.errors import Problem

TEXT = """http:
  Routers:
    shop.test:
      rule: x
      foo: 1
  services:
    a:
      loadBalancer:
        servers:
          - url: x
            weight: 1.5
"""


@pytest.mark.parametrize(
    ("problem", "end"),
    [
        (Problem("http.routers.shop.test", "unknown key 'foo' (field not found)"), " (line 5, column 7)"),
        (Problem("http.routers.shop.test@file", "unknown key 'foo' (field not found)"), " (line 5, column 7)"),
        (Problem("http.services.a.loadBalancer.servers[0].weight", "is wrong"), " (line 11, column 13)"),
        (Problem("http.services.a.loadBalancer.servers[0]", "is wrong"), " (line 10, column 13)"),
        (Problem("http.services.a.middlewares.x", "is missing"), " (line 7, column 5)"),
        (Problem("", "is odd"), ""),
        (Problem("tcp", "is odd"), ""),
    ],
)
def test_a_problem_gets_the_line_of_what_it_names_or_of_what_that_is_missing_from(problem, end):
    (placed,) = with_lines([problem], TEXT, "x.yml", "file")
    assert placed == Problem(problem.path, problem.message + end)


def test_only_yaml_has_lines():
    problem = Problem("http", "is wrong")
    assert with_lines([problem], "[http]", "x.toml") == [problem]


@given(st.text(max_size=50))
def test_no_text_hides_a_problem(text):
    (placed,) = with_lines([Problem("a.b", "is wrong")], text.encode("utf-8", "ignore").decode(), "x.yml")
    assert placed.message.startswith("is wrong")
