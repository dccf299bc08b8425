"""The list of functions in docs/files.md is what templates know."""

import re

from pointsman.dialect.gotemplate import FILE_FUNCTIONS, RULE_FUNCTIONS

from .documents import ROOT


def test_the_list_of_functions_is_complete():
    text = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    table = text.partition("## Functions of templates")[2].partition("\nDifferent from")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(FILE_FUNCTIONS) == set(RULE_FUNCTIONS)
