"""Names that nobody else has."""

import time
from uuid import UUID

import pytest

from pointsman_requestid.names import BATCH, FORMATS, Uuid7


@pytest.mark.parametrize("version", [4, 7])
def test_uuids_are_what_they_say(version):
    new = FORMATS[f"uuid{version}"]()
    names = [new() for _ in range(BATCH * 3)]

    assert len(set(names)) == len(names)
    assert {(UUID(name.decode()).version, UUID(name.decode()).variant) for name in names} == {
        (version, "specified in RFC 4122")
    }


def test_every_random_digit_gives_another_variant():
    variants = {FORMATS["uuid4"]()()[19:20] for _ in range(300)}

    assert variants == {b"8", b"9", b"a", b"b"}


def test_names_begin_with_the_time():
    before = time.time_ns() // 1_000_000
    name = Uuid7()().decode()

    assert before <= int(name.replace("-", "")[:12], 16) <= time.time_ns() // 1_000_000


def test_plain_names_are_32_digits():
    new = FORMATS["hex"]()
    names = {new() for _ in range(BATCH * 2)}

    assert len(names) == BATCH * 2
    assert all(len(name) == 32 and int(name, 16) for name in names)
