import pytest

from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_bulkhead import Bulkhead


async def test_refuses_above_the_amount_until_one_is_done():
    bulkhead, upstream = build(Bulkhead, {"amount": 1}), answering(200)
    first = a_request()

    assert (await bulkhead(first, upstream)).status == 200
    assert (await bulkhead(a_request(), upstream)).status == 503

    first.finish()
    assert (await bulkhead(a_request(), upstream)).status == 200


def test_an_amount_below_one_is_a_configuration_error():
    with pytest.raises(ConfigError, match="'amount' must be >= 1"):
        build(Bulkhead, {"amount": 0})
