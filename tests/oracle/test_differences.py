"""A declared difference that no case shows would stay here for ever."""

from .differences import BUGS, DIFFERENCES


def test_every_declared_difference_has_its_case(request):
    ours = [item for item in request.session.items if item.path.parent == request.path.parent]
    compared = {item.callspec.params["case"].name for item in ours if "case" in getattr(item, "fixturenames", ())}
    groups = {name.partition("/")[0] for name in compared}
    declared = {case for difference in DIFFERENCES for case in difference.cases} | BUGS.keys()

    if not request.config.option.keyword:
        assert {case for case in declared if case.partition("/")[0] in groups} - compared == set()


def test_every_difference_has_a_reason_and_says_what_differs():
    for difference in DIFFERENCES:
        assert difference.reason
        assert bool(difference.aspects) != bool(difference.status), difference
        assert list(difference.cases) == list(dict.fromkeys(difference.cases)), difference
