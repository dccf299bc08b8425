"""docs/style.md, as assertions: who may import whom, where hooks are called, what is documented and tested."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pointsman import hookspecs

ROOT = Path(__file__).parents[1]
KERNEL = ROOT / "core/src/pointsman"
SOURCES = sorted([*KERNEL.rglob("*.py"), *ROOT.glob("plugins/**/src/**/*.py"), *ROOT.glob("examples/*/src/**/*.py")])
HOOKS = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("pointsman_")]

ONLY_IN = {
    "yaml": ["config"],
    "cattrs": ["config"],
    "pluggy": ["hookspecs.py", "plugins.py"],
    "importlib_metadata": ["plugins.py"],
    "aiohttp": ["control"],
    "httptools": ["server", "upstream"],
    "pytest": ["testing"],
}
"""Who alone may import what, as places below the kernel's sources."""


def imports(path):
    """Top-level names of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def place(path):
    return path.relative_to(KERNEL).parts[0]


def test_rooms_import_downwards_only():
    """The layers stand in pyproject.toml; `make check` runs the same."""
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("module", "places"), ONLY_IN.items(), ids=ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(module, places):
    strays = [path for path in KERNEL.rglob("*.py") if module in imports(path) and place(path) not in places]

    assert strays == []


def test_routing_imports_no_asyncio():
    assert [path for path in (KERNEL / "routing").rglob("*.py") if "asyncio" in imports(path)] == []


def test_hooks_are_called_in_one_file_only():
    """Elsewhere nobody asks a plugin manager, so a request can never cost a hook call."""
    call = re.compile(r"\.hook\.|hook_caller|PluginManager\(")
    callers = [path for path in SOURCES if call.search(path.read_text(encoding="utf-8"))]

    assert callers == [KERNEL / "plugins.py"]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_explained_documented_and_tested(hook):
    assert inspect.getdoc(getattr(hookspecs, hook)), "a hook has a line of docstring"
    assert re.search(rf"^### {hook}$", (ROOT / "docs/plugins.md").read_text(), re.MULTILINE), (
        "and a section in docs/plugins.md"
    )
    assert re.search(rf"^def test_hook_{hook}_", (ROOT / "tests/test_hooks.py").read_text(), re.MULTILINE), "and a test"


STYLE = (ROOT / "docs/style.md").read_text(encoding="utf-8")


def test_the_page_draws_the_layers_as_they_are_checked():
    drawn = re.search(r"^Who may import whom.*?```\n(.*?)```", STYLE, re.MULTILINE | re.DOTALL)[1]
    projects = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = projects["tool"]["importlinter"]["contracts"][0]["layers"]
    checked = [sorted(re.findall(r"\w+", layer)) for layer in layers if layer != "(__main__)"]

    assert [sorted(re.findall(r"\w+", line.partition("   ")[0])) for line in drawn.splitlines()] == checked


def test_every_room_that_the_page_names_is_there():
    rooms = re.search(r"^## The rooms\n(.*?)^## ", STYLE, re.MULTILINE | re.DOTALL)[1]
    named, folder = [], ""
    for line in rooms.split("  tests/ ")[0].splitlines():
        folder = folder if line.startswith(" " * 20) else ""  # what goes on is in the same room
        for path in re.findall(r"(?<![\w.])(?:\w+/)?\w+\.py\b", "" if "(to come)" in line else line):
            folder = path.rpartition("/")[0] or folder
            named.append(path if "/" in path else f"{folder}/{path}".lstrip("/"))

    assert len(named) > 60
    assert [path for path in named if not (KERNEL / path).is_file()] == []


def test_every_module_says_what_it_is_for():
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    silent = [path for path, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))]

    assert silent == []


def test_the_extras_of_the_kernel_list_the_packages_that_there_are():
    extras = tomllib.loads((ROOT / "core/pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    projects = [
        tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in ROOT.glob("plugins/*/*/pyproject.toml")
    ]
    packages = sorted(project["name"] for project in projects)
    listed = {name: [need.partition(">")[0] for need in extras[name]] for name in ("standard", "all")}

    assert listed["all"] == packages
    assert set(listed["standard"]) < set(packages)


def test_nobody_takes_the_names_that_promise_nothing():
    vague = re.compile(r"(Manager|Helper|Util|Utils)$")
    classes = [
        (path.name, node.name)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and vague.search(node.name)
    ]

    assert classes == []
    assert [path for path in SOURCES if path.stem in ("utils", "helpers", "common", "misc")] == []


def test_the_packages_are_typed():
    assert (KERNEL / "py.typed").is_file()
