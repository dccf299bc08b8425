"""Routers below routers (routing.md §3.8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.routing.layers import Forest, Layer, layers


def messages(forest: Forest, name: str) -> str:
    return "; ".join(problem.message for problem in forest.problems.get(name, ()))


@pytest.mark.spec("R-79")
def test_a_parent_without_service_leads_to_its_children():
    forest = layers({"top": Layer(), "low": Layer(["top"], True), "alone": Layer(has_service=True)})
    assert forest.roots == ("top", "alone")
    assert forest.children == {"top": ("low",)}
    assert forest.problems == {}
    assert list(forest.depth_first()) == ["low", "top", "alone"]


def test_a_child_may_have_several_parents_and_layers_may_be_deep():
    forest = layers({"a": Layer(), "b": Layer(), "c": Layer(["a", "b"]), "d": Layer(["c"], True)})
    assert forest.children == {"a": ("c",), "b": ("c",), "c": ("d",)}
    assert list(forest.depth_first()) == ["d", "c", "a", "b"]


@pytest.mark.spec("R-81")
@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (Layer(["top"], True, has_tls=True), "tls"),
        (Layer(["top"], True, has_entry_points=True), "entryPoints"),
        (Layer(["top"], True, has_observability=True), "observability"),
    ],
)
def test_what_belongs_to_roots_disables_a_child(layer: Layer, field: str):
    forest = layers({"top": Layer(), "low": layer, "other": Layer(["top"], True)})
    assert messages(forest, "low") == f"non-root router cannot have {field} configuration"
    assert not forest.problems["low"][0].warning
    assert forest.children == {"top": ("other",)}


@pytest.mark.spec("R-30")
def test_neither_service_nor_children_is_refused():
    forest = layers({"a": Layer()})
    assert forest.roots == ()
    assert messages(forest, "a") == "router has no service and no child routers"


def test_both_service_and_children_is_refused_and_so_are_the_children():
    forest = layers({"a": Layer(has_service=True), "b": Layer(["a"], True)})
    assert forest.roots == ()
    assert "has both a service and is referenced as a parent" in messages(forest, "a")
    assert "router is not reachable" in messages(forest, "b")


def test_an_unknown_parent_is_a_warning_beside_a_known_one_and_an_error_alone():
    forest = layers({"a": Layer(), "b": Layer(["a", "nope"], True), "c": Layer(["nope"], True)})
    assert forest.children == {"a": ("b",)}
    assert messages(forest, "b") == 'parent router "nope" does not exist'
    assert forest.problems["b"][0].warning
    assert messages(forest, "c") == 'parent router "nope" does not exist'
    assert not forest.problems["c"][0].warning


def test_a_parent_all_of_whose_children_are_broken_is_disabled():
    forest = layers({"a": Layer(), "b": Layer(["a"]), "c": Layer(["b"], True)}, disabled=["c"])
    assert forest.roots == ()
    assert messages(forest, "b") == "no child routers could be added to muxer"
    assert messages(forest, "a") == "no child routers could be added to muxer"
    assert messages(forest, "c") == ""


def test_routers_below_a_disabled_one_are_not_reachable():
    forest = layers({"a": Layer(), "b": Layer(["a"], True)}, disabled=["a"])
    assert messages(forest, "b") == "router is not reachable: none of its parents (a) is served"


def test_a_cycle_below_a_root_is_cut_where_it_closes():
    forest = layers({"a": Layer(), "b": Layer(["a", "c"]), "c": Layer(["b"], True)})
    assert forest.children == {"a": ("b",), "b": ("c",)}
    assert messages(forest, "c") == "cyclic reference detected in router tree: b -> c -> b; this last link is not followed"
    assert forest.problems["c"][0].warning


def test_a_router_left_with_nothing_by_the_cut_is_disabled():
    forest = layers({"a": Layer(), "b": Layer(["a", "c"]), "c": Layer(["b"])})
    assert forest.roots == ()
    assert "cyclic reference detected" in messages(forest, "c")
    assert "no child routers could be added to muxer" in messages(forest, "c")


def test_a_cycle_without_a_root_is_not_reachable():
    forest = layers({"a": Layer(["b"]), "b": Layer(["a"])})
    assert forest.roots == ()
    assert "router is not reachable" in messages(forest, "a")
    assert "router is not reachable" in messages(forest, "b")


def test_a_chain_of_thousands_is_no_recursion():
    routers = {"0": Layer()} | {str(n): Layer([str(n - 1)], n == 4999) for n in range(1, 5000)}
    assert list(layers(routers).depth_first())[-1] == "0"


FLEETS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Layer, st.lists(st.sampled_from("abcdefx"), max_size=3), st.booleans()),
)


@given(FLEETS)
def test_whatever_the_references_what_is_served_is_a_sound_forest(routers: dict[str, Layer]):
    forest = layers(routers)
    served = list(forest.depth_first())
    assert len(served) == len(set(served))
    refused = {name for name, problems in forest.problems.items() if any(not problem.warning for problem in problems)}
    assert refused | set(served) == set(routers)
    assert not refused & set(served)
    for name in served:
        assert routers[name].has_service is not bool(forest.children.get(name))
        assert all(served.index(child) < served.index(name) for child in forest.children.get(name, ()))
