"""What is kept of errors."""

from pointsman.errors import without_frames


def caught() -> tuple[Exception, Exception]:
    try:
        try:
            raise ValueError("one")
        except ValueError as error:
            first: Exception = error
            raise RuntimeError("two") from error
    except RuntimeError as error:
        return error, first


def test_tracebacks_are_dropped_of_an_error_and_of_what_it_came_from() -> None:
    error, first = caught()
    assert error.__traceback__ is not None
    assert first.__traceback__ is not None
    without_frames(error)
    assert (error.__traceback__, first.__traceback__, error.__cause__) == (None, None, first)


def test_errors_that_came_from_each_other_end() -> None:
    error, first = caught()
    first.__cause__ = error
    without_frames(error)
    assert error.__traceback__ is None
