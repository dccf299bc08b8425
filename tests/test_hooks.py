"""Every hook, used: what a plugin returns from it is in the registry under the name users write."""

from types import ModuleType

from attrs import frozen

from pointsman import Command, Matcher, TcpMatcher, hookimpl
from pointsman.plugins import idle_in_workers, load_registry


@frozen
class NothingToSay:
    pass


def a_class(name):
    return type(name.title(), (), {"name": name, "Config": NothingToSay, "__init__": lambda self, config, context: None})


def a_plugin(hook, *items, called="a_plugin"):
    module = ModuleType(called)
    setattr(module, hook, hookimpl(lambda: list(items)))
    return module


def registry_with(hook, *items):
    registry = load_registry(a_plugin(hook, *items), entry_point_plugins=False)
    assert registry.problems == []
    return registry


def test_hook_pointsman_providers_brings_providers():
    source = a_class("somewhere")

    assert registry_with("pointsman_providers", source).providers["somewhere"] is source


def test_hook_pointsman_certificate_resolvers_brings_certificate_resolvers():
    vault = a_class("vault")

    assert registry_with("pointsman_certificate_resolvers", vault).certificate_resolvers["vault"] is vault


def test_hook_pointsman_middlewares_brings_middlewares():
    limit = a_class("limit")

    assert registry_with("pointsman_middlewares", limit).middlewares["limit"] is limit


def test_hook_pointsman_balancers_brings_balancers():
    fair = a_class("fair")

    assert registry_with("pointsman_balancers", fair).balancers["fair"] is fair


def test_hook_pointsman_matchers_brings_matchers():
    moon = Matcher("Moon", range(1, 2), lambda phase: lambda request: phase == "full")

    assert registry_with("pointsman_matchers", moon).matchers["Moon"] is moon


def test_hook_pointsman_log_exporters_brings_exporters_for_both_logs():
    paper = a_class("paper")
    registry = registry_with("pointsman_log_exporters", paper)

    assert registry.sections["log"]["paper"] is registry.sections["accessLog"]["paper"] is paper


def test_hook_pointsman_log_formats_brings_formats():
    pipes = a_class("pipes")

    assert registry_with("pointsman_log_formats", pipes).log_formats["pipes"] is pipes


def test_hook_pointsman_tcp_middlewares_brings_tcp_middlewares():
    gate = a_class("gate")

    assert registry_with("pointsman_tcp_middlewares", gate).tcp_middlewares["gate"] is gate


def test_hook_pointsman_tcp_matchers_brings_tcp_matchers():
    tide = TcpMatcher("Tide", range(1, 2), lambda height: lambda facts: height == "low")

    assert registry_with("pointsman_tcp_matchers", tide).tcp_matchers["Tide"] is tide


def test_hook_pointsman_metrics_exporters_brings_exporters():
    board = a_class("board")

    assert registry_with("pointsman_metrics_exporters", board).metrics_exporters["board"] is board


def test_hook_pointsman_span_exporters_brings_span_exporters():
    paper = a_class("paper")
    registry = registry_with("pointsman_span_exporters", paper)

    assert registry.span_exporters["paper"] is registry.sections["tracing"]["paper"] is paper


def test_hook_pointsman_internal_services_brings_internal_services():
    pages = a_class("pages")

    assert registry_with("pointsman_internal_services", pages).internal_services["pages"] is pages


def test_hook_pointsman_commands_brings_commands():
    greet = Command("greet", "Say hello.", lambda parser: None, lambda arguments: 0)

    assert registry_with("pointsman_commands", greet).commands["greet"] is greet


def test_a_second_plugin_with_the_same_name_is_refused_and_both_are_named():
    first = a_plugin("pointsman_middlewares", a_class("limit"))
    second = a_plugin("pointsman_middlewares", a_class("limit"), called="another_plugin")
    registry = load_registry(first, second, entry_point_plugins=False)

    (problem,) = registry.problems
    assert "'limit' of another_plugin is refused: a_plugin has that name already" in str(problem)


def test_a_hook_that_does_not_exist_is_named_and_the_rest_works():
    broken = a_plugin("pointsman_middlewarez", called="broken_plugin")
    right = a_plugin("pointsman_middlewares", a_class("limit"))
    registry = load_registry(broken, right, entry_point_plugins=False)

    assert [problem.path for problem in registry.problems] == ["plugins.broken_plugin"]
    assert "limit" in registry.middlewares


def test_what_brings_only_providers_of_which_none_is_configured_is_idle_in_workers_and_may_be_left_out():
    both = ModuleType("both")
    both.pointsman_providers = hookimpl(lambda: [a_class("cloud")])
    both.pointsman_middlewares = hookimpl(lambda: [a_class("limit")])
    plugins = (
        a_plugin("pointsman_providers", a_class("here"), a_class("there"), called="used"),
        a_plugin("pointsman_providers", a_class("elsewhere"), called="unused"),
        a_plugin(
            "pointsman_commands", Command("greet", "Say hello.", lambda parser: None, lambda arguments: 0), called="said"
        ),
        both,
    )
    registry = load_registry(*plugins, entry_point_plugins=False)

    assert idle_in_workers(registry, ["file", "there"]) == {"unused", "said"}
    assert "auth" in {plugin.name for plugin in load_registry().plugins}
    assert "auth" not in {plugin.name for plugin in load_registry(without={"auth"}).plugins}
