"""Documents without what would have all of it refused."""

from pointsman.errors import Problem
from pointsman_kubernetes.fitting import CLOSED, fitting


def unknown(word):
    """A check that refuses every element which has a key of that name, as the gateway would."""

    def check(document):
        return [
            Problem(f"{section}.{kind}.{name}.{word}", "is unknown")
            for section, kinds in document.items()
            for kind, elements in kinds.items()
            for name, element in elements.items()
            if word in element
        ]

    return check


def test_a_document_that_fits_is_left_as_it_is():
    document = {"http": {"routers": {"a": {"rule": "x"}}}}
    assert fitting(document, unknown("odd")) == (document, [])
    assert fitting(document, lambda _: [Problem("http.routers.a.rule", "is odd", warning=True)]) == (document, [])


def test_elements_that_do_not_fit_are_left_out_also_those_with_dots_in_their_names():
    document = {"http": {"routers": {"a": {"odd": 1}, "a.b": {"odd": 1}, "c": {"rule": "x"}}, "services": {"a": {}}}}
    fit, problems = fitting(document, unknown("odd"))

    assert fit == {"http": {"routers": {"c": {"rule": "x"}}, "services": {"a": {}}}}
    assert sorted(map(str, problems)) == [
        "http.routers.a.b.odd: is left out, and closes what uses it: is unknown",
        "http.routers.a.odd: is left out, and closes what uses it: is unknown",
    ]
    assert all(problem.warning for problem in problems)
    assert len(document["http"]["routers"]) == 3


def test_in_the_place_of_tls_options_are_some_that_trust_nobody():
    fit, _ = fitting({"tls": {"options": {"default": {"odd": 1}}}}, unknown("odd"))
    assert fit == {"tls": {"options": {"default": CLOSED}}}


def test_what_is_wrong_elsewhere_is_left_to_the_gateway():
    document = {"tls": {"options": {"a": CLOSED}, "certificates": [{}]}}
    for path in ("", "tls", "tls.certificates[0].certFile", "http.routers.a", "tls.options.a.x"):
        problems = [Problem(path, "is odd")]
        assert fitting(document, lambda _, problems=problems: problems) == (document, [])
