import pytest

from pointsman.dialect.fnv import fnv1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0xCBF29CE484222325), ("traefik.consulcatalog.canary=truev2", 8687280574039790457)],  # the latter as seen, §5.3
)
def test_it_hashes_as_the_reference_does(text: str, expected: int) -> None:
    assert fnv1(text.encode()) == expected
