"""What is taken of Secrets, and that none of it is told."""

from base64 import b64encode

import pytest

from pointsman_kubernetes.kinds import SECRET
from pointsman_kubernetes.objects import Objects
from pointsman_kubernetes.secrets import Unusable, held, pair

from .certificates import PAIR, SECOND


def a_secret(**data):
    data = {name.replace("_", "."): b64encode(value.encode()).decode() for name, value in data.items()}
    return {"metadata": {"name": "x", "namespace": "default"}, "data": data}


def pair_of(thing, **watched):
    return pair(Objects({SECRET: [thing]}, **watched), "default", "x")


def test_a_certificate_with_its_key_is_read():
    assert pair_of(a_secret(tls_crt=PAIR[0], tls_key=PAIR[1])) == PAIR


def test_a_chain_is_taken_whole():
    assert pair_of(a_secret(tls_crt=PAIR[0] + SECOND[0], tls_key=PAIR[1]))[0] == PAIR[0] + SECOND[0]


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (a_secret(), "has no tls.crt and no tls.key"),
        (a_secret(tls_crt=PAIR[0], tls_key=""), "has no tls.key"),
        (a_secret(tls_crt="/etc/ssl/own.pem", tls_key=PAIR[1]), "tls.crt holds no certificate in PEM"),
        (a_secret(tls_crt=PAIR[0], tls_key="/etc/ssl/own.key"), "tls.key holds no private key in PEM without a password"),
        (a_secret(tls_crt=PAIR[0], tls_key=PAIR[0]), "tls.key holds no private key in PEM without a password"),
        (a_secret(tls_crt=PAIR[0], tls_key=SECOND[1]), "tls.key is not the key of the certificate in tls.crt"),
        (
            {"metadata": {"name": "x", "namespace": "default"}, "data": {"tls.crt": "*", "tls.key": 5}},
            "has no tls.crt and no",
        ),
        ({"metadata": {"name": "x", "namespace": "default"}, "data": 5}, "has no tls.crt and no tls.key"),
    ],
)
def test_what_is_no_pair_is_refused_without_a_word_of_it(thing, said):
    with pytest.raises(Unusable) as caught:
        pair_of(thing)

    assert str(caught.value).startswith(f"secret default/x: {said}")
    assert "BEGIN" not in str(caught.value)
    assert "own" not in str(caught.value)


def test_a_secret_that_is_not_there_or_not_watched_is_told():
    with pytest.raises(Unusable, match="secret default/x: not found"):
        pair(Objects({}), "default", "x")
    with pytest.raises(Unusable, match="secret default/x: is in a namespace that is not watched"):
        pair_of(a_secret(tls_crt=PAIR[0], tls_key=PAIR[1]), namespaces=["other"])


def test_text_is_held_or_not():
    thing = {"data": {"a": b64encode("wörd".encode()).decode(), "b": b64encode(b"\xff").decode(), "c": "no base64!"}}

    assert [held(thing, key) for key in "abcd"] == ["wörd", None, None, None]
