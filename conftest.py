"""What every test of the house shares."""

import os
from collections.abc import Generator
from typing import Any

import pytest

pytest_plugins = ["pointsman.testing.pytest_plugin"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, pytest.TestReport]:
    """In CI nothing may be skipped: what a test needs is installed there, or the run fails."""
    report: pytest.TestReport = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI forbids: {report.longrepr}"
    return report
