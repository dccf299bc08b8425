import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.builtin import file_source
from pointsman.builtin.file import FileConfig, FileProvider
from pointsman.control.context import Context
from pointsman.errors import ConfigError, Problem
from pointsman.testing import build
from pointsman.testing.wire import eventually


def a_file(*names: str, service: str = "s") -> str:
    """The text of a file with these routers."""
    return "http:\n  routers:\n" + "".join(
        f"    {name}:\n      rule: Host(`{name}`)\n      service: {service}\n" for name in names
    )


class Told:
    """What the provider published."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.problems: tuple[Problem, ...] = ()

    def __call__(self, document: Any, problems: Any = (), /) -> None:
        self.documents.append(document)
        self.problems = tuple(problems)

    @property
    def routers(self) -> dict[str, Any]:
        return dict(self.documents[-1].get("http", {}).get("routers", {})) if self.documents else {}

    async def routes(self, *names: str) -> None:
        await eventually(lambda: set(self.routers) == set(names), f"{names}, not {set(self.routers)}; {self.problems}")

    async def complaint(self, part: str) -> Problem:
        await eventually(lambda: any(part in str(problem) for problem in self.problems), f"{part!r} in {self.problems}")
        return next(problem for problem in self.problems if part in str(problem))


def a_provider(**options: Any) -> FileProvider:
    return FileProvider(
        FileConfig(**{key: value if isinstance(value, bool) else str(value) for key, value in options.items()}),
        Context("file", {}),
    )


@asynccontextmanager
async def following(**options: Any) -> AsyncIterator[Told]:
    """A provider at work, after its first words."""
    told = Told()
    provider = a_provider(**options)
    task = asyncio.create_task(provider.provide(told))
    try:
        await eventually(lambda: told.documents or task.done())
        if task.done():
            task.result()
        if options.get("watch", True):
            await eventually(lambda: provider._watch is not None)
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def replace(path: Path, text: str) -> None:
    """Write beside it and rename, as careful writers do."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.replace(path)


def test_neither_filename_nor_directory_is_a_configuration_error():
    with pytest.raises(ConfigError, match="give 'filename' or 'directory'"):
        build(FileProvider, {})


def test_options_are_written_as_in_the_dialect(tmp_path):
    provider = build(FileProvider, {"directory": str(tmp_path), "debugLogGeneratedTemplate": "true", "watch": "false"})
    assert "test_options" in repr(provider)


@pytest.mark.spec("P-1")
async def test_a_file_is_published_and_followed(tmp_path):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    async with following(filename=path) as told:
        assert set(told.routers) == {"a"}
        path.write_text(a_file("b"))
        await told.routes("b")
        replace(path, a_file("c"))
        await told.routes("c")
        replace(path, a_file("d"))
        await told.routes("d")
        assert told.problems == ()


async def test_toml_is_the_same_tree(tmp_path):
    (tmp_path / "dyn.TOML").write_text('[http.routers.a]\nrule = "Host(`a`)"\nservice = "s"\n')
    async with following(directory=tmp_path) as told:
        assert told.routers == {"a": {"rule": "Host(`a`)", "service": "s"}}


@pytest.mark.spec("P-6", "R-35")
async def test_an_unknown_key_leaves_the_last_good_content_and_is_named(tmp_path):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    async with following(filename=path) as told:
        path.write_text(a_file("a", "b") + "      foo: 1\n")
        problem = await told.complaint("foo")
        assert problem.path == f"{path}: http.routers.b"
        assert set(told.routers) == {"a"}
        path.write_text(a_file("b"))
        await told.routes("b")
        assert told.problems == ()


@pytest.mark.spec("P-7")
async def test_an_unknown_root_key_is_ignored(tmp_path):
    (tmp_path / "dyn.yml").write_text(a_file("a") + "unheard: {of: 1}\n")
    async with following(directory=tmp_path) as told:
        assert set(told.routers) == {"a"}
        assert told.problems == ()


@pytest.mark.spec("P-9")
async def test_a_file_that_becomes_empty_clears_its_routes(tmp_path):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    async with following(filename=path) as told:
        path.write_text("# nothing here\n")
        await told.routes()
        assert told.documents[-1]["http"]["routers"] == {}
        assert told.problems == ()


@pytest.mark.spec("P-10")
async def test_of_two_files_with_one_name_the_first_wins_and_the_other_is_named(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("r", service="first"))
    (tmp_path / "b.yml").write_text(a_file("r", "x", service="second"))
    async with following(directory=tmp_path) as told:
        assert told.routers["r"]["service"] == "first"
        assert set(told.routers) == {"r", "x"}
        (problem,) = told.problems
        assert problem.warning
        assert problem.path == f"{tmp_path}/b.yml: http.routers.r"
        assert "already configured, skipping" in problem.message


@pytest.mark.spec("P-11")
async def test_a_broken_file_stops_no_other(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    (tmp_path / "b.yml").write_text(a_file("b"))
    async with following(directory=tmp_path) as told:
        (tmp_path / "b.yml").write_text("http: [\n")
        await told.complaint(f"{tmp_path}/b.yml:2:1")
        (tmp_path / "a.yml").write_text(a_file("a2"))
        await told.routes("a2", "b")


@pytest.mark.spec("P-12")
async def test_files_in_sub_directories_come_and_go(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    async with following(directory=tmp_path) as told:
        (tmp_path / "x" / "y").mkdir(parents=True)
        (tmp_path / "x" / "y" / "b.yml").write_text(a_file("b"))
        await told.routes("a", "b")
        (tmp_path / "x" / "y" / "b.yml").write_text(a_file("c"))
        await told.routes("a", "c")
        shutil.rmtree(tmp_path / "x")
        await told.routes("a")


class ConfigMap:
    """A volume as Kubernetes mounts it: names lead through `..data` to a directory that is replaced as a whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def put(self, text: str) -> None:
        before = self.root / f"..v{self.count}"
        self.count += 1
        new = self.root / f"..v{self.count}"
        new.mkdir(parents=True)
        (new / "dyn.yml").write_text(text)
        (self.root / "..data_tmp").symlink_to(new.name)
        (self.root / "..data_tmp").replace(self.root / "..data")
        if not (self.root / "dyn.yml").is_symlink():
            (self.root / "dyn.yml").symlink_to("..data/dyn.yml")
        shutil.rmtree(before, ignore_errors=True)


@pytest.mark.spec("P-13")
@pytest.mark.parametrize("mode", ["filename", "directory"])
async def test_every_swap_of_a_mounted_config_map_is_seen(tmp_path, mode):
    volume = ConfigMap(tmp_path / "mount")
    volume.put(a_file("r0"))
    where = volume.root / "dyn.yml" if mode == "filename" else volume.root
    async with following(**{mode: where}) as told:
        for number in range(1, 5):
            volume.put(a_file(f"r{number}"))
            await told.routes(f"r{number}")
        assert told.problems == ()


@pytest.mark.spec("P-17")
async def test_without_watch_only_a_refresh_reads_again(tmp_path):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    provider, told = a_provider(filename=path, watch=False), Told()
    task = asyncio.create_task(provider.provide(told))
    try:
        await told.routes("a")
        path.write_text(a_file("b"))
        provider.refresh()
        await told.routes("b")
        assert provider._watch is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_watch_nothing_to_read_is_a_failure(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        await a_provider(filename=tmp_path / "none.yml", watch=False).provide(Told())


@pytest.mark.parametrize("mode", ["filename", "directory"])
async def test_what_does_not_exist_yet_is_reported_and_waited_for(tmp_path, mode):
    path = tmp_path / "later" / "sub" / "dyn.yml"
    async with following(**{mode: path if mode == "filename" else path.parent}) as told:
        await told.complaint("No such file")
        assert told.documents[-1] == {}
        path.parent.mkdir(parents=True)
        path.write_text(a_file("a"))
        await told.routes("a")
        assert told.problems == ()


async def test_a_file_deleted_and_made_again_keeps_its_content_meanwhile(tmp_path):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    async with following(filename=path) as told:
        path.unlink()
        await told.complaint("No such file")
        assert set(told.routers) == {"a"}
        path.write_text(a_file("b"))
        await told.routes("b")
        assert told.problems == ()


async def test_a_directory_deleted_and_made_again_keeps_its_content_meanwhile(tmp_path):
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "a.yml").write_text(a_file("a"))
    async with following(directory=directory) as told:
        shutil.rmtree(directory)
        await told.complaint("No such file")
        assert set(told.routers) == {"a"}
        directory.mkdir()
        (directory / "a.yml").write_text(a_file("b"))
        await told.routes("b")
        directory.rename(tmp_path / "old")
        directory.mkdir()
        (directory / "c.yml").write_text(a_file("c"))
        await told.routes("c")
        assert told.problems == ()


async def test_a_directory_behind_a_link_follows_the_link(tmp_path):
    for number in range(3):
        (tmp_path / f"release{number}").mkdir()
        (tmp_path / f"release{number}" / "a.yml").write_text(a_file(f"r{number}"))
    (tmp_path / "current").symlink_to("release0")
    async with following(directory=tmp_path / "current") as told:
        for number in (1, 2):
            (tmp_path / "next").symlink_to(f"release{number}")
            (tmp_path / "next").replace(tmp_path / "current")
            await told.routes(f"r{number}")


async def test_an_editor_that_moves_the_old_file_away_never_takes_routes_away(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text(a_file("a"))
    async with following(directory=tmp_path) as told:
        path.rename(tmp_path / "a.yml~")
        path.write_text(a_file("a", "b"))
        await told.routes("a", "b")
        (tmp_path / "a.yml~").unlink()
        path.unlink()
        await told.routes()
        assert all(document["http"]["routers"] for document in told.documents[:-1])


async def test_a_file_cut_off_while_it_is_written_does_no_harm(tmp_path):
    path = tmp_path / "a.yml"
    text = a_file("a", "b")
    path.write_text(text)
    async with following(directory=tmp_path) as told:
        for number in range(3):
            path.write_text("")
            await asyncio.sleep(0)
            path.write_text(text[: len(text) // 2 + 3] + "\n  - [")
            await asyncio.sleep(0)
            path.write_text(a_file("a", "b", f"c{number}"))
            await told.routes("a", "b", f"c{number}")
        assert all(set(document["http"]["routers"]) >= {"a", "b"} for document in told.documents)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"http: {routers: {a: {rule: '\xff'}}}", "is not UTF-8 text"),
        (b"just text", "expected a block with http, tcp, udp or tls"),
        (b"http:\n\trouters: {}", "dyn.yml:2:1"),
        (b"http: {routers: {a: {rule: Host(`{{ nope `X` }}`)}}}", "dyn.yml:1:37: the function 'nope' is not known"),
        (b"{{ range until 2 }}\nhttp: [\n{{ end }}", "dyn.yml:5:1: a value was expected"),
        (b"x" * 2000, "so split it"),
    ],
)
async def test_a_file_that_cannot_be_used_is_reported_and_the_last_good_one_stays(tmp_path, monkeypatch, content, complaint):
    monkeypatch.setattr(file_source, "MAX_BYTES", 1000)
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    async with following(filename=path) as told:
        path.write_bytes(content)
        problem = await told.complaint(complaint)
        assert problem.path.startswith(str(path))
        assert set(told.routers) == {"a"}


LOOP = "http:\n  routers:\n{{ range until 2 }}    r{{ . }}: {rule: 'Host(`{{ env \"PM_HOST\" }}`)', service: s}\n{{ end }}"


@pytest.mark.spec("P-14", "P-15")
async def test_a_file_is_a_template_and_what_it_makes_counts(tmp_path, monkeypatch):
    path = tmp_path / "dyn.yml"
    path.write_text(LOOP)
    monkeypatch.setenv("PM_HOST", "a.org")
    async with following(filename=path) as told:
        assert told.routers == {name: {"rule": "Host(`a.org`)", "service": "s"} for name in ("r0", "r1")}
        path.write_text(LOOP.replace("until 2", "list 5"))
        await told.routes("r5")
        assert told.problems == ()


@pytest.mark.spec("P-16")
async def test_split_gives_a_list_and_takes_the_text_first(tmp_path):
    path = tmp_path / "dyn.toml"
    name, service = '{{ split "a,b" "," | join "-" }}', '{{ index (split "a,b" ",") 1 }}'
    path.write_text(f"[http.routers.{name}]\nrule = 'Host(`x`)'\nservice = '{service}'\n")
    async with following(filename=path) as told:
        assert told.routers == {"a-b": {"rule": "Host(`x`)", "service": "b"}}


async def test_a_refresh_renders_again_what_did_not_change(tmp_path, monkeypatch):
    path = tmp_path / "dyn.yml"
    path.write_text(LOOP)
    monkeypatch.setenv("PM_HOST", "a.org")
    provider, told = a_provider(filename=path, watch=False), Told()
    task = asyncio.create_task(provider.provide(told))
    try:
        await told.routes("r0", "r1")
        monkeypatch.setenv("PM_HOST", "b.org")
        provider.refresh()
        await eventually(lambda: told.routers["r0"]["rule"] == "Host(`b.org`)")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_broken_template_stops_no_other_file_and_keeps_what_it_said(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    (tmp_path / "b.yml").write_text(a_file("{{ lower `B` }}"))
    async with following(directory=tmp_path) as told:
        assert set(told.routers) == {"a", "b"}
        (tmp_path / "b.yml").write_text(a_file("{{ lower .Name }}"))
        problem = await told.complaint("can't evaluate field Name in type bool")
        assert problem.path == f"{tmp_path}/b.yml:3:14"
        (tmp_path / "a.yml").write_text(a_file("a2"))
        await told.routes("a2", "b")


async def test_bytes_that_are_no_text_any_more_are_an_error(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text(a_file("a{{ trunc 1 `é` }}"))
    async with following(filename=path) as told:
        await told.complaint("its template makes text that is not UTF-8")


async def test_the_text_after_templating_is_logged_if_one_asks_for_it(tmp_path, caplog):
    path = tmp_path / "a.yml"
    path.write_text(a_file("{{ lower `B` }}") + "# {{ `{{` }}")
    with caplog.at_level("DEBUG"):
        a_provider(filename=path, debug_log_generated_template=True).read()
    assert f"text of {path}:\n{a_file('b')}# {{{{" in caplog.text


async def test_a_file_that_may_not_be_read_keeps_its_last_good_content(tmp_path, monkeypatch):
    path = tmp_path / "dyn.yml"
    path.write_text(a_file("a"))
    system_open = os.open

    def refuse(name: Any, *arguments: Any, **options: Any) -> int:
        if name == str(path):
            raise PermissionError(13, "Permission denied")
        return system_open(name, *arguments, **options)

    async with following(filename=path) as told:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)  # the mode would not keep root out
            replace(path, a_file("b"))
            await told.complaint("Permission denied")
            assert set(told.routers) == {"a"}
        replace(path, a_file("c"))
        await told.routes("c")
        assert told.problems == ()


async def test_a_pipe_in_the_directory_is_passed_over(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    os.mkfifo(tmp_path / "b.yml")
    async with following(directory=tmp_path) as told:
        assert set(told.routers) == {"a"}
        (problem,) = told.problems
        assert problem.warning
        assert problem.path == f"{tmp_path}/b.yml"


async def test_a_pipe_as_the_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "b.yml")
    async with following(filename=tmp_path / "b.yml") as told:
        await told.complaint("is not a regular file")


async def test_links_that_lead_in_circles_end(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "self.yml").symlink_to("self.yml")
    async with following(directory=tmp_path) as told:
        assert set(told.routers) == {"a"}
        await told.complaint("self.yml")


async def test_other_files_are_ignored_and_the_order_is_lexical(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("c.YML", "b/z.yaml", "a.toml.bak", "d.json", ".#c.yml", "..data.yml"):
        (tmp_path / name).write_text(a_file("r", service=name))
    async with following(directory=tmp_path) as told:
        assert told.routers["r"]["service"] == "b/z.yaml"
        assert [problem.path for problem in told.problems] == [f"{tmp_path}/c.YML: http.routers.r"]


async def test_a_name_with_an_at_sign_is_left_out_and_its_file_named(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a", "b@c"))
    async with following(directory=tmp_path) as told:
        assert set(told.routers) == {"a"}
        assert told.problems[0].path == f"{tmp_path}/a.yml: http.routers.b@c"


async def test_stores_of_one_certificate_in_two_files_are_united(tmp_path):
    certificate = "tls: {certificates: [{certFile: c, keyFile: k, stores: [%s]}]}"
    (tmp_path / "a.yml").write_text(certificate % "one")
    (tmp_path / "b.yml").write_text(certificate % "two")
    async with following(directory=tmp_path) as told:
        (united,) = told.documents[-1]["tls"]["certificates"]
        assert united["stores"] == ["one", "two"]


async def test_writing_the_same_again_is_no_news(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    (tmp_path / "b.yml").write_text(a_file("b"))
    async with following(directory=tmp_path) as told:
        (tmp_path / "a.yml").write_text(a_file("a"))
        (tmp_path / "b.yml").write_text(a_file("c"))
        await told.routes("a", "c")
        assert len(told.documents) == 2
        assert told.documents[0]["http"]["routers"]["a"] is told.documents[1]["http"]["routers"]["a"]


def test_reading_once_tells_what_is_there(tmp_path):
    (tmp_path / "a.yml").write_text(a_file("a"))
    (tmp_path / "b.yml").write_text("http: [")
    document, problems = a_provider(directory=tmp_path).read()
    assert set(document["http"]["routers"]) == {"a"}
    assert len(problems) == 1
    assert a_provider(filename=tmp_path / "none.yml").read()[1]
