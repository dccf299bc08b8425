"""Exporters that cannot be built are told before anything is opened."""

from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman.config.observability_model import Tracing
from pointsman.config.static import Static
from pointsman.control.exporters import check_exporters
from pointsman.errors import ConfigError
from pointsman.plugins import Registry


@frozen
class PaperConfig:
    url: str


class Paper:
    name: ClassVar[str] = "paper"
    Config: ClassVar[type] = PaperConfig

    def __init__(self, config: PaperConfig, context: Any) -> None:
        self.server = context.server(config.url)

    async def export(self, spans: Any) -> None: ...


def test_a_url_that_is_none_is_a_problem_of_its_exporter() -> None:
    registry = Registry(span_exporters={"paper": Paper})
    check_exporters(Static(), registry)
    check_exporters(Static(tracing=Tracing(exporters={"paper": PaperConfig("http://collector")})), registry)
    with pytest.raises(ConfigError, match=r"tracing\.paper: the server URL 'ftp://x' does not begin with http"):
        check_exporters(Static(tracing=Tracing(exporters={"paper": PaperConfig("ftp://x")})), registry)
