"""Whatever is written in whatever order: each file stands for its last good content, and for nothing else."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.builtin import file_source
from pointsman.builtin.file import FileConfig, Files
from pointsman.control.context import Context

CONTENTS = {
    "one": "http: {routers: {%s-1: {rule: Host(`a`), service: s}}}",
    "two": "http: {routers: {%s-1: {rule: Host(`b`), service: s}, %s-2: {rule: Host(`b`), service: s}}}",
    "empty": "",
    "broken": "http: {routers: [",
    "misshapen": "http: {routers: {%s-9: {rule: Host(`a`), foo: 1}}}",
    "gone": None,
}
NAMES = ("a", "b", "d/c")
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(CONTENTS)), st.booleans()), min_size=1, max_size=12
)


def routers_of(name: str, content: str) -> set[str]:
    return {"one": {f"{name}-1"}, "two": {f"{name}-1", f"{name}-2"}}.get(content, set())


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_each_file_stands_for_its_last_good_content(steps):
    before = file_source.SETTLE_SECONDS, file_source.PATIENCE_SECONDS
    file_source.SETTLE_SECONDS = file_source.PATIENCE_SECONDS = 0.0  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory() as root:
            _follow(Path(root), steps)
    finally:
        file_source.SETTLE_SECONDS, file_source.PATIENCE_SECONDS = before  # type: ignore[misc]


def _follow(root: Path, steps: list[tuple[str, str, bool]]) -> None:
    files = Files(FileConfig(directory=str(root)), Context("file", {}))
    (root / "d").mkdir()
    files.look()
    expected: dict[str, set[str]] = {}
    bad: set[str] = set()
    for name, content, renamed in steps:
        path = root / f"{name}.yml"
        text = CONTENTS[content]
        if text is None:
            path.unlink(missing_ok=True)
            expected.pop(name, None)
            bad.discard(name)
        else:
            text = text.replace("%s", name)
            if renamed:
                (root / "beside").write_text(text)
                (root / "beside").replace(path)
            else:
                path.write_text(text)
            if content in ("broken", "misshapen"):
                bad.add(name)
            else:
                bad.discard(name)
                expected[name] = routers_of(name, content)
        report = files.look()
        assert report.again_seconds == 0
        assert report.document is not None
        assert set(report.document["http"]["routers"]) == set().union(*expected.values())
        complained = {problem.path.split(".yml")[0].removeprefix(f"{root}/") for problem in report.problems}
        assert complained == bad
        assert not files.look().changed
