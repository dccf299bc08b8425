"""Exporters that cannot be built are told before anything is opened."""

from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman.config.observability_model import Metrics, Tracing
from pointsman.config.static import Static
from pointsman.control.exporters import check_exporters
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Needs
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


class Board(Paper):
    name: ClassVar[str] = "board"
    needs = Needs()

    def __init__(self, config: PaperConfig, context: Any) -> None:
        super().__init__(config, context)
        assert context.resource is not None
        if config.url == "http://nobody":
            raise ConfigError(Problem("url", "nobody lives there", warning=True, loud=True))


def test_exporters_of_metrics_are_tried_and_one_that_is_only_off_is_told() -> None:
    registry = Registry(metrics_exporters={"board": Board})

    def checked(url: str) -> list[Problem]:
        return check_exporters(Static(metrics=Metrics(exporters={"board": PaperConfig(url)})), registry)

    assert checked("http://board") == []
    assert checked("http://nobody") == [Problem("metrics.board.url", "nobody lives there", warning=True, loud=True)]
    with pytest.raises(ConfigError, match=r"metrics\.board: the server URL 'ftp://x' does not begin with http"):
        checked("ftp://x")
