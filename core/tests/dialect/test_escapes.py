"""Which escapes a block of options does not allow."""

from types import SimpleNamespace

from pointsman.dialect.escapes import ENCODED_CHARACTERS, denied_escapes


def test_what_is_not_allowed_is_denied():
    options = dict.fromkeys(ENCODED_CHARACTERS, True) | {"allow_encoded_slash": False, "allow_encoded_hash": False}

    assert denied_escapes(SimpleNamespace(**options)) == (b"%2F", b"%23")
