"""Every class that an installed plugin brings, whoever wrote it: name, configuration, life."""

import inspect
import re

import attrs
import pytest

from pointsman.config.convert import structure
from pointsman.config.spelling import spelled
from pointsman.plugins import KINDS
from pointsman.testing import FakeContext

KEY = re.compile(r"[a-z][a-zA-Z0-9]*")


def test_every_installed_plugin_loads_and_no_two_share_a_name(registry):
    assert registry.problems == []


def test_names_differ_by_more_than_case(registry):
    for kind in KINDS:
        names = [name.lower() for name in registry.names(kind)]
        assert len(names) == len(set(names))


def test_the_name_is_a_key_in_camel_case(kind, feature):
    assert KEY.fullmatch(feature.name)


def test_the_configuration_is_a_frozen_attrs_class(kind, feature):
    assert attrs.has(feature.Config)
    assert issubclass(attrs.exceptions.FrozenInstanceError, AttributeError)
    assert feature.Config.__setattr__.__qualname__.startswith("_frozen"), "use attrs.frozen"


def test_every_field_has_a_default_or_is_asked_for(kind, feature):
    _, problems = structure(feature.Config, {}, "here")
    required = {f"here.{spelled(field)}" for field in attrs.fields(feature.Config) if field.default is attrs.NOTHING}

    assert {problem.path for problem in problems if "is required" in problem.message} == required


def test_an_unknown_key_is_refused_with_its_path(kind, feature):
    value, problems = structure(feature.Config, {"surelyNotAKey": 1}, "http.middlewares.x.kind")

    assert value is None
    assert any(str(problem).startswith("http.middlewares.x.kind: unknown key 'surelyNotAKey'") for problem in problems)


def test_keys_differ_by_more_than_case(kind, feature):
    keys = [spelled(field).lower() for field in attrs.fields(feature.Config)]

    assert len(keys) == len(set(keys))


def test_the_constructor_takes_a_configuration_and_a_context(kind, feature):
    assert list(inspect.signature(feature).parameters) == ["config", "context"]
    for optional in ("start", "aclose"):
        assert not hasattr(feature, optional) or inspect.iscoroutinefunction(getattr(feature, optional))


class AnyContext(FakeContext):
    """Every service and every middleware exists here."""

    def handler_for(self, service):
        return lambda request: None

    def chain(self, middlewares):
        return lambda call_next: call_next


@pytest.fixture
def build(kind, feature, examples, tmp_path):
    """Builds instances from the README's example; what ships inside has none, and needs little."""
    shipped = {"file": {"directory": str(tmp_path)}, "template": {"template": "{RequestPath}"}}
    raw = examples.get((kind, feature.name.lower()), shipped.get(feature.name, {}))

    def built():
        config, problems = structure(feature.Config, raw, feature.name)
        assert problems == []
        return feature(config, AnyContext())

    return built


async def start(instance):
    if hasattr(instance, "start"):
        await instance.start()


async def close(instance):
    if hasattr(instance, "aclose"):
        await instance.aclose()


async def test_it_closes_without_a_start_and_closes_twice(build):
    unstarted, started = build(), build()
    await close(unstarted)
    await start(started)
    await close(started)
    await close(started)


async def test_twins_live_side_by_side(build):
    """While a configuration is exchanged two generations are alive; closing the old one leaves the new one."""
    old, new = build(), build()
    await start(old)
    await start(new)
    await close(old)
    await close(new)
