"""What gRPC says of types, statuses and messages."""

import pytest

from pointsman.dialect.grpc import is_grpc, status_for, word_of
from pointsman.errors import GatewayError
from pointsman.message import Response


@pytest.mark.parametrize(
    ("content_type", "grpc"),
    [
        (None, False),
        (b"application/grpc", True),
        (b"Application/gRPC+proto", True),
        (b"application/grpc; x=1", True),
        (b"application/grpc-web", False),
        (b"application/grpc-web-text+proto", False),
        (b"text/html", False),
    ],
)
def test_grpc_web_is_another_thing(content_type, grpc):
    assert is_grpc(content_type) is grpc


def test_statuses_are_grpcs_own_mapping_but_for_the_gateways_time_limits():
    assert [status_for(status) for status in (401, 403, 404, 429, 502, 503, 504, 500, 302)] == [
        16,
        7,
        12,
        14,
        14,
        14,
        14,
        2,
        2,
    ]
    assert status_for(504, GatewayError(504)) == 4


def test_a_word_is_percent_encoded_and_short():
    assert word_of(Response.plain(403, "100 % müde\n".encode())) == b"100 %25 m%C3%BCde"
    assert word_of(Response.plain(403, b"x" * 2000)) == b"Forbidden"
