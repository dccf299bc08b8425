"""Status ranges as users write them (middlewares.md §2.3)."""

import pytest

from pointsman.dialect.statuses import status_range, statuses


def test_single_codes_and_ranges_include_both_ends():
    assert statuses(["404", "500-502", " 418 "]) == {404, 418, 500, 501, 502}
    assert statuses([]) == frozenset()


@pytest.mark.parametrize(
    "text", ["", "abc", "99", "1000", "404,405", "4O4", "500-", "-500", "500-abc", "+404", "٤٠٤", "1-5-9"]
)
def test_what_is_no_range_of_codes_is_refused_with_how_to_write_one(text):
    with pytest.raises(ValueError, match="write 404 or 500-599"):
        statuses([text])


def test_a_range_that_is_upside_down_is_refused_with_the_right_way():
    with pytest.raises(ValueError, match="write 500-599"):
        status_range("599-500")
