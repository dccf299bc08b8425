"""The access log in the common log format, with what a gateway adds to it, and without (operations.md §3.3)."""

from collections.abc import Callable
from typing import Any, ClassVar

from attrs import frozen

from pointsman.api import LogFields
from pointsman.builtin.logescapes import reader


@frozen
class NoOptions:
    pass


_GENERIC = (
    "ClientHost", "ClientUsername", "StartCLF", "RequestMethod", "RequestPath", "RequestProtocol", "DownstreamStatus",
    "DownstreamContentSize", "request_Referer", "request_User-Agent",
)  # fmt: skip


class GenericCLF:
    """What every analyser of logs reads."""

    name: ClassVar[str] = "genericCLF"
    Config: ClassVar[type] = NoOptions

    _template: ClassVar[str] = '%s - %s [%s] "%s %s %s" %s %s "%s" "%s"'
    _names: ClassVar[tuple[str, ...]] = _GENERIC

    def __init__(self, config: Any, context: Any) -> None:
        pass

    def over(self, fields: LogFields) -> Callable[[Any], str]:
        template = self._template
        reads = [reader(fields.get(name)) for name in self._names]
        return lambda record: template % tuple([read(record) for read in reads])


class Common(GenericCLF):
    """The same, and what the gateway did."""

    name: ClassVar[str] = "common"

    _template = GenericCLF._template + ' %s "%s" "%s" %sms'
    _names = (*_GENERIC, "RequestCount", "RouterName", "ServiceURL", "DurationMs")
