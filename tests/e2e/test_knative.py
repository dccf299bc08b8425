"""Knative's Ingresses, served."""

import pytest

from pointsman.testing import gateway


@pytest.mark.spec("K-78")
async def test_without_the_experimental_switch_the_gateway_does_not_start_and_says_why():
    static = {"providers": {"knative": {"endpoint": "http://127.0.0.1:1"}}}

    with pytest.raises(RuntimeError, match=r"providers.knative: needs experimental.knative: true"):
        async with gateway({}, static):
            pass
