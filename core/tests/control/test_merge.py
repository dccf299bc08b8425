from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.dynamic import SECTIONS
from pointsman.control.merge import Delta, Tree, apply, diff, diffing, empty_tree, merge, merging, same, unseen

NAMES = st.sampled_from(["a", "b", "c", "default"])
VALUES = st.one_of(st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 1.0, "x"]))
ELEMENTS = st.dictionaries(st.sampled_from(["rule", "service", "weight"]), VALUES, min_size=1)
BLOCKS = st.dictionaries(NAMES, ELEMENTS)
DOCUMENTS = st.fixed_dictionaries(
    {
        "http": st.fixed_dictionaries({"routers": BLOCKS, "middlewares": BLOCKS}),
        "tls": st.fixed_dictionaries({"options": BLOCKS, "certificates": st.lists(ELEMENTS, max_size=3)}),
    }
)
WORLDS = st.dictionaries(st.sampled_from(["file", "docker"]), DOCUMENTS)


def a_document(count: int, **changed: Any) -> dict[str, Any]:
    routers = {f"r{number}": {"rule": f"Host(`h{number}`)", "service": "s"} for number in range(count)}
    return {"http": {"routers": {**routers, **changed}}}


def typed(tree: Tree) -> dict[str, dict[str, str]]:
    """A tree as text in which 1, 1.0 and True differ and the order of names does not matter."""
    return {
        section: {
            name: repr(sorted(dict(elements[name]).items()) if type(elements[name]) is dict else elements[name])
            for name in sorted(elements)
        }
        for section, elements in tree.items()
    }


@pytest.mark.spec("P-3")
def test_equal_names_of_two_providers_live_side_by_side():
    tree, problems = merge({"file": a_document(1), "http": a_document(1)})
    assert list(tree["http.routers"]) == ["r0@file", "r0@http"]
    assert problems == []


def test_references_stay_as_written():
    tree, _ = merge({"file": {"http": {"routers": {"r": {"service": "s@docker", "middlewares": ["m"]}}}}})
    assert tree["http.routers"]["r@file"] == {"service": "s@docker", "middlewares": ["m"]}


def test_default_tls_options_belong_to_nobody():
    tree, _ = merge({"file": {"tls": {"options": {"default": {"sniStrict": True}, "b": {"sniStrict": True}}}}})
    assert set(tree["tls.options"]) == {"default", "b@file"}


def test_default_tls_options_of_two_providers_are_used_by_neither_and_both_are_named():
    document = {"tls": {"options": {"default": {"sniStrict": True}}, "stores": {"default": {"x": 1}}}}
    tree, problems = merge({"file": document, "docker": document})
    assert tree["tls.stores"] == {}
    assert tree["tls.options"] == {"default": problems[0].message}  # which compiles to broken options
    assert [problem.path for problem in problems] == ["tls.options.default", "tls.stores.default"]
    assert "docker and file" in problems[0].message


def test_certificates_are_named_by_place_and_provider():
    tree, _ = merge({"file": {"tls": {"certificates": [{"certFile": "a"}, {"certFile": "b"}]}}})
    assert tree["tls.certificates"] == {"0@file": {"certFile": "a"}, "1@file": {"certFile": "b"}}


def test_an_element_that_did_not_change_is_the_same_object():
    before, _ = merge({"file": a_document(3)})
    after, _ = merge({"file": a_document(3, r1={"rule": "Host(`x`)"})}, before)
    assert after["http.routers"]["r0@file"] is before["http.routers"]["r0@file"]
    assert after["http.routers"]["r1@file"] is not before["http.routers"]["r1@file"]
    assert diff(before, after) == Delta(set={"http.routers": {"r1@file": {"rule": "Host(`x`)"}}})


@pytest.mark.parametrize(("left", "right"), [(1, True), (1, 1.0), ({"a": [0]}, {"a": [False]}), ([1], [1, 2])])
def test_values_that_a_check_would_tell_apart_are_not_the_same(left, right):
    assert not same(left, right)


def test_the_order_of_keys_makes_no_difference():
    assert same({"a": 1, "b": [True]}, {"b": [True], "a": 1})


@given(WORLDS, WORLDS)
def test_a_delta_leads_from_one_tree_to_the_other(first, second):
    old, _ = merge(first)
    new, _ = merge(second, old)
    kept = typed(old)
    assert typed(apply(old, diff(old, new))) == typed(new)
    assert typed(old) == kept
    assert not diff(new, new)


@given(WORLDS, WORLDS)
def test_what_is_equal_is_carried_over_and_nothing_else(first, second):
    old, _ = merge(first)
    new, _ = merge(second, old)
    fresh, _ = merge(second)
    assert typed(new) == typed(fresh)
    for section, elements in new.items():
        for name, element in elements.items():
            before = old[section].get(name)
            assert (element is before) == (before is not None and same(before, element))


@given(DOCUMENTS, DOCUMENTS)
def test_what_was_not_seen_is_what_differs(seen, document):
    good = merge({"": seen})[0]
    good = {section: {name.removesuffix("@"): element for name, element in known.items()} for section, known in good.items()}
    rest = unseen(document, good)
    for name, element in document["http"]["routers"].items():
        known = good["http.routers"].get(name)
        assert (name in rest["http"]["routers"]) == (known is None or not same(known, element))
    assert rest["tls"]["certificates"] == document["tls"]["certificates"]


def test_large_trees_are_worked_on_in_slices():
    work = merging({"file": a_document(10_000)})
    pauses = 0
    while True:
        try:
            next(work)
        except StopIteration as stop:
            tree, _ = stop.value
            break
        pauses += 1
    assert pauses >= 10_000 // 500
    assert sum(1 for _ in diffing(empty_tree(), tree)) >= 10_000 // 500


def test_an_empty_tree_holds_every_section():
    assert set(empty_tree()) == set(SECTIONS)
