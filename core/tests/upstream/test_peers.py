"""What is said of URLs of servers that are none."""

import pytest

from pointsman.upstream.transport import peer_from


@pytest.mark.parametrize("url", ["http://bob:hush/x@a.test:80", "http://bob:80hush#@a.test", "http://bob:hush@a.test:99999"])
def test_a_password_that_makes_it_no_url_is_not_shown(url):
    with pytest.raises(ValueError, match="has a port that is none") as raised:
        peer_from(url)
    assert "hush" not in str(raised.value)
    assert "REDACTED" in str(raised.value)
