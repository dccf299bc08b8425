"""Every installed plugin, once: what the registry found, and where each package keeps its sources."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from pointsman.config.load import load_text
from pointsman.plugins import KINDS, Registry, load_registry

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@frozen
class Package:
    """A plugin's source folder and what its pyproject.toml says."""

    folder: Path
    project: dict[str, Any]

    @property
    def distribution(self) -> str:
        return str(self.project["name"])

    @property
    def module(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.module

    @property
    def readme(self) -> str:
        return (self.folder / "README.md").read_text(encoding="utf-8")

    def section(self, title: str) -> str:
        """The text below one of the README's headings."""
        parts = SECTION.split(self.readme)
        return dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")

    def examples(self) -> list[Any]:
        """The documents in the README's Example section."""
        return [load_text(text, f"{self.distribution}/README.yaml") for text in YAML.findall(self.section("Example"))]

    def shown(self) -> dict[tuple[str, str], Any]:
        """Kind of plugin and its lower-case name -> the options that the examples give it."""
        return {(kind, name): raw for document in self.examples() for kind, name, raw in _options_in(document)}

    def brings(self, registry: Registry) -> list[tuple[str, Any]]:
        """The classes that this package brings, each with its kind."""
        plugins = [plugin for plugin in registry.plugins if plugin.distribution == self.distribution]
        names = [(kind, name) for plugin in plugins for kind, names in plugin.brings.items() for name in names]
        return [(kind, registry.names(kind)[name]) for kind, name in names]

    def __str__(self) -> str:
        return self.distribution


def _options_in(document: Any) -> Iterator[tuple[str, str, Any]]:
    """What a document configures: kind of plugin, its lower-case name, its options."""
    for middleware in document.get("http", {}).get("middlewares", {}).values():
        for kind, options in middleware.items():
            yield "middlewares", kind.lower(), options
    for middleware in document.get("tcp", {}).get("middlewares", {}).values():
        for kind, options in middleware.items():
            yield "tcp_middlewares", kind.lower(), options
    for service in document.get("http", {}).get("services", {}).values():
        strategy = service.get("loadBalancer", {}).get("strategy")
        if strategy:
            yield "balancers", strategy.lower(), {}
    for name, options in document.get("providers", {}).items():
        yield "providers", name.lower(), options
    for resolver in document.get("certificatesResolvers", {}).values():
        for name, options in resolver.items():
            yield "certificate_resolvers", name.lower(), options
    sections = {
        "metrics": "metrics_exporters",
        "tracing": "span_exporters",
        "log": "log_exporters",
        "accessLog": "log_exporters",
    }
    for section, kind in sections.items():
        for name, options in document.get(section, {}).items():
            yield kind, name.lower(), options


def _packages() -> list[Package]:
    folders = [*ROOT.glob("plugins/*/*/pyproject.toml"), ROOT / "plugins/_template/pyproject.toml"]
    folders += ROOT.glob("examples/*/pyproject.toml")
    return [Package(path.parent, tomllib.loads(path.read_text(encoding="utf-8"))["project"]) for path in sorted(folders)]


PACKAGES = _packages()
REGISTRY = load_registry()
FEATURES = [
    pytest.param(kind, item, id=f"{kind}-{name}")
    for kind in KINDS
    for name, item in sorted(REGISTRY.names(kind).items())
    if hasattr(item, "Config")
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "package" in metafunc.fixturenames:
        metafunc.parametrize("package", PACKAGES, ids=str)
    if "feature" in metafunc.fixturenames:
        metafunc.parametrize(("kind", "feature"), FEATURES)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return REGISTRY


@pytest.fixture(scope="session")
def examples() -> dict[tuple[str, str], Any]:
    """Kind and lower-case name -> the options that some README's example gives."""
    return {key: raw for package in PACKAGES for key, raw in package.shown().items()}
