"""Accept-Encoding against the server's order: never an exception, and what a plain reading of the specification says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_compress.negotiation import Negotiation

ALL = (b"gzip", b"br", b"zstd")


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [
        ([], b""),
        ([b""], b""),
        ([b"gzip"], b"gzip"),
        ([b"GZIP"], b"gzip"),
        ([b"gzip, br, zstd"], b"gzip"),
        ([b"br, gzip"], b"gzip"),
        ([b"gzip;q=0.5, br;q=0.8"], b"br"),
        ([b"gzip ; Q=0.5,\tbr;q=0.8;x=y"], b"br"),
        ([b"deflate"], b""),
        ([b"deflate", b"br"], b"br"),
        ([b"deflate", b"zstd;q=0.1", b"br"], b"br"),
        ([b"*"], b"gzip"),
        ([b"br, *"], b"gzip"),
        ([b"*;q=0.1, br"], b"br"),
        ([b"gzip;q=0, *"], b"br"),
        ([b"gzip;q=0, br;q=0, zstd;q=0, *"], b""),
        ([b"identity, gzip;q=0.5"], b""),
        ([b"identity, gzip"], b"gzip"),
        ([b"identity;q=0"], b""),
        ([b"gzip;q=0"], b""),
        ([b"gzip;q=x, br;q=0.1"], b"br"),
        ([b"gzip;q=, br;q=0.1"], b"br"),
        ([b"gzip;q=-1, br;q=0.1"], b"br"),
        ([b"gzip;q=nan"], b""),
        ([b"gzip;q=7, br"], b"gzip"),
        ([b"gzip;q=0.000"], b""),
        ([b",;=,;q,, gzip"], b"gzip"),
    ],
)
def test_the_highest_weight_wins_then_the_servers_order(lines, chosen):
    assert Negotiation(ALL, b"").choose(lines) == chosen


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [([], b"br"), ([b""], b""), ([b"*"], b"br"), ([b"br;q=0, *"], b"zstd"), ([b"zstd"], b"zstd"), ([b"gzip"], b"")],
)
def test_the_default_is_for_silence_and_for_a_star(lines, chosen):
    assert Negotiation((b"zstd", b"br"), b"br").choose(lines) == chosen


NAMES = st.sampled_from([*ALL, b"*", b"identity", b"deflate", b"GZip"])
WEIGHTS = st.sampled_from([b"", b";q=0", b";q=1", b";q=0.5", b";q=0.001", b"; q=0.8", b";q=oops", b";level=3"])
MEANT = {
    b"": 1,
    b";q=0": 0,
    b";q=1": 1,
    b";q=0.5": 0.5,
    b";q=0.001": 0.001,
    b"; q=0.8": 0.8,
    b";q=oops": None,
    b";level=3": 1,
}


@given(
    st.lists(st.tuples(NAMES, WEIGHTS), unique_by=lambda item: item[0].lower(), min_size=1),
    st.permutations(ALL).flatmap(lambda order: st.integers(1, 3).map(lambda count: tuple(order[:count]))),
    st.booleans(),
    st.data(),
)
def test_it_agrees_with_a_plain_model(items, encodings, defaults, data):
    default = data.draw(st.sampled_from(encodings)) if defaults else b""
    said = {name.lower(): MEANT[weight] for name, weight in items if MEANT[weight] is not None}
    favourites = [default, *encodings] if default else encodings
    star = next((name for name in favourites if said.get(name, 1)), b"")
    candidates = [(said.get(b"*", 0) if star else 0, star)]
    candidates += [(said.get(name, 0), name) for name in encodings]
    candidates += [(said.get(b"identity", 0), b"")]
    best = max(weight for weight, _ in candidates)
    expected = next(name for weight, name in candidates if weight == best) if best else b""

    cut = data.draw(st.integers(0, len(items)))
    lines = [b", ".join(name + weight for name, weight in part) for part in (items[:cut], items[cut:]) if part]
    assert Negotiation(encodings, default).choose(lines) == expected


@given(st.lists(st.binary() | st.text(alphabet="gzipbr*q=;,. 01", max_size=40).map(str.encode)))
def test_no_header_raises(lines):
    negotiation = Negotiation(ALL, b"br")

    assert negotiation.choose(lines) in (*ALL, b"")
    assert negotiation.choose(lines) == negotiation.choose(list(lines))


def test_what_is_remembered_is_bounded():
    negotiation = Negotiation(ALL, b"")
    for number in range(2000):
        negotiation.choose([b"x%d, gzip" % number])
        negotiation.choose([b"x" * 300 + b"%d" % number])

    assert len(negotiation._known) <= 512
    assert max(map(len, negotiation._known)) <= 256
