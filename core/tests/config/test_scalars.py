"""How single values are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.scalars import duration_text, to_bool, to_duration, to_float, to_int, to_text


@pytest.mark.spec("O-14")
@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (10, 10.0),
        ("10", 10.0),
        ("-5", -5.0),
        ("0", 0.0),
        ("300ms", 0.3),
        ("1h2m3.5s", 3723.5),
        ("-5s", -5.0),
        ("+1m", 60.0),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("2μs", 2e-6),
        ("7ns", 7e-9),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("100h", 360000.0),
    ],
)
def test_a_duration_is_seconds_or_numbers_with_units(raw, seconds):
    assert to_duration(raw) == seconds


@pytest.mark.spec("O-14")
@pytest.mark.parametrize(
    "raw",
    [1.5, "1.5", "5x", "", "s", ".s", "-", "1h2", "10 s", "1s ", "1D", "١s", True, None, [], {}, "1e3s", "9" * 25 + "h"],
)
def test_other_durations_are_refused(raw):
    with pytest.raises(ValueError, match=r"expected a duration|beyond the longest"):
        to_duration(raw)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (60, "1m0s"),
        (180, "3m0s"),
        (10, "10s"),
        (1.5, "1.5s"),
        (0.3, "300ms"),
        (3723.5, "1h2m3.5s"),
        (3600, "1h0m0s"),
        (1e-6, "1µs"),
        (1.5e-6, "1.5µs"),
        (7e-9, "7ns"),
        (-5, "-5s"),
        (0.1001, "100.1ms"),
    ],
)
def test_a_duration_is_printed_as_the_dialect_does(seconds, text):
    assert duration_text(seconds) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_printed_duration_reads_as_itself(nanoseconds):
    seconds = nanoseconds / 10**9
    try:
        assert to_duration(duration_text(seconds)) == seconds
    except ValueError:  # rounding to a float led beyond the longest duration
        assert abs(nanoseconds) > 2**63 - 2**11


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        assert math.isfinite(to_duration(text))
    except ValueError:
        return


@pytest.mark.spec("O-13")
@pytest.mark.parametrize("raw", [True, 1, "1", "t", "T", "true", "TRUE", "True"])
def test_what_is_true(raw):
    assert to_bool(raw) is True


@pytest.mark.parametrize("raw", [False, 0, "0", "f", "F", "false", "FALSE", "False"])
def test_what_is_false(raw):
    assert to_bool(raw) is False


@pytest.mark.spec("O-13")
@pytest.mark.parametrize("raw", ["yes", "no", "on", "off", "nope", "", "tRUE", " true", 2, 1.0, None, [], {}])
def test_other_booleans_are_refused(raw):
    with pytest.raises(ValueError, match="expected true or false"):
        to_bool(raw)


@pytest.mark.parametrize(("raw", "number"), [(3, 3), ("3", 3), ("-4", -4), ("010", 10), ("+5", 5), (2**63 - 1, 2**63 - 1)])
def test_an_integer_is_a_number_or_its_decimal_digits(raw, number):
    assert to_int(raw) == number


@pytest.mark.spec("O-15", "R-36")
@pytest.mark.parametrize(
    "raw", [1.5, 1.0, "1.5", "1k", "1MB", "0x10", "1_000", "", " 1", "٣", True, None, [], 2**63, "9" * 30, "9" * 5000]
)
def test_other_integers_are_refused(raw):
    with pytest.raises(ValueError, match=r"whole number|64-bit"):
        to_int(raw)


@pytest.mark.parametrize(("raw", "number"), [(1, 1.0), (0.5, 0.5), ("0.25", 0.25), ("1e-7", 1e-7), (".5", 0.5)])
def test_a_float_keeps_its_precision(raw, number):
    assert to_float(raw) == number


@pytest.mark.parametrize("raw", [True, "nan", "inf", float("inf"), float("nan"), "1.0.0", "", None, "1e999", 10**30])
def test_other_floats_are_refused(raw):
    with pytest.raises(ValueError, match="expected a number"):
        to_float(raw)


@pytest.mark.parametrize(("raw", "text"), [("x", "x"), (5, "5"), (True, "true"), (False, "false"), (1.5, "1.5"), (2.0, "2")])
def test_text_may_be_a_number_or_a_boolean(raw, text):
    assert to_text(raw) == text


@pytest.mark.parametrize("raw", [None, [], ["secret"], {"secret": 1}, 10**30])
def test_other_text_is_refused_without_showing_what_came(raw):
    with pytest.raises(ValueError, match="expected text") as caught:
        to_text(raw)
    assert "secret" not in str(caught.value)
