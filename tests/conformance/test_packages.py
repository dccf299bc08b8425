"""Every plugin package in this repository: layout, metadata, README, imports."""

import ast
import re

import attrs
import pytest
from packaging.requirements import Requirement

from pointsman import __version__
from pointsman.config.convert import structure
from pointsman.config.dynamic import structure_document
from pointsman.config.spelling import spelled

HEADINGS = ["Name", "Description", "Configuration", "Example", "Metrics"]
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
FACE = {"pointsman", "pointsman.errors"}
DIALECT = "pointsman.dialect."


def test_the_package_has_the_layout_of_the_house(package):
    for name in ("pyproject.toml", "README.md", f"src/{package.module}/__init__.py", f"src/{package.module}/py.typed"):
        assert (package.folder / name).is_file(), name
    assert list(package.folder.glob("tests/test_*.py"))


def test_its_metadata_say_what_it_needs_and_whom_it_registers_with(package):
    project = package.project
    needs = {need.name: need for need in map(Requirement, project["dependencies"])}

    assert project["requires-python"] == ">=3.11"
    assert list(project["entry-points"]["pointsman"].values()) == [package.module]
    assert needs["pointsman"].specifier.contains(__version__)
    assert not needs["pointsman"].specifier.contains("99")
    for need in needs.values():
        assert need.specifier, f"{need} has no lower bound"
        assert need.name == "pointsman" or not need.name.startswith("pointsman"), "a plugin needs no other plugin"


def test_it_is_installed_and_brings_something(package, registry):
    assert package.brings(registry), f"pip install -e {package.folder}"


def test_its_readme_has_the_five_headings(package):
    assert re.findall(r"^## (.+)$", package.readme, re.MULTILINE) == HEADINGS
    assert package.readme.startswith(f"# {package.distribution}\n")
    for heading in HEADINGS:
        assert package.section(heading).strip(), heading


def test_its_readme_documents_every_key_and_no_other(package, registry):
    found = [(kind, item) for kind, item in package.brings(registry) if hasattr(item, "Config")]
    brought = {_heading(kind, item, [name.name for _, name in found]): item for kind, item in found}
    text = package.section("Configuration")
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    tables = dict(zip(parts[1::2], parts[2::2], strict=True)) if len(brought) > 1 else dict.fromkeys(brought, text)

    assert sorted(tables) == sorted(brought)
    for heading, item in brought.items():
        assert ROW.findall(tables[heading]) == [spelled(field) for field in attrs.fields(item.Config)]


def _heading(kind, item, names):
    """What a table of keys stands below, where there are several; the signal is named where one name stands for many."""
    words = {"tcp_middlewares": "TCP"}
    if names.count(item.name) > 1:
        words |= {"log_exporters": "logs", "metrics_exporters": "metrics"}
    return f"{item.name} ({words[kind]})" if kind in words else item.name


def test_its_readmes_example_is_a_configuration_without_problems(package, registry):
    documents = package.examples()
    shown = package.shown()

    for document in documents:
        assert structure_document(document, registry.middlewares, "", registry.tcp_middlewares)[1] == []
    for kind, item in package.brings(registry):
        if not hasattr(item, "Config"):
            continue
        assert (kind, item.name.lower()) in shown, f"the example does not show {item.name}"
        assert structure(item.Config, shown[kind, item.name.lower()])[1] == []


COUNTED = re.compile(r'\.(?:counter|gauge)\(\s*"(\w+)"')


def test_its_readme_names_every_metric_it_has(package):
    sources = "".join(path.read_text(encoding="utf-8") for path in package.source.rglob("*.py"))

    assert [name for name in COUNTED.findall(sources) if name not in package.section("Metrics")] == []


def imported(path):
    """Every module that a file imports, as dotted names; `from pointsman import x` counts as `pointsman`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("part", ["src", "tests"])
def test_it_imports_the_public_face_and_itself_only(package, part):
    allowed = FACE | ({"pointsman.testing"} if part == "tests" else set())
    for path in (package.folder / part).rglob("*.py"):
        for name in imported(path):
            if name.partition(".")[0].startswith("pointsman"):
                public = name in allowed or name.startswith(DIALECT)
                assert public or name.split(".")[0] == package.module, f"{path} imports {name}"
