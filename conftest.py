"""What every test of the house shares."""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["pointsman.testing.pytest_plugin"]

settings.register_profile("patient", parent=settings(), deadline=None)  # a busy machine is no counterexample
settings.load_profile("patient")

IN_CI = os.environ.get("CI") == "true"


def pytest_configure() -> None:
    """Where Python may leave no bytecode beside its source, whatever tests start keeps its own in the virtual environment.

    A gateway without it compiles several hundred modules at each start, and tests start hundreds of gateways.
    """
    if sys.prefix != sys.base_prefix and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix, "bytecode"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, pytest.TestReport]:
    """In CI nothing may be skipped: what a test needs is installed there, or the run fails."""
    report: pytest.TestReport = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI forbids: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, pytest.CollectReport]:
    """Nor may a whole module."""
    report: pytest.CollectReport = yield
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, which CI forbids: {report.longrepr}"
    return report
