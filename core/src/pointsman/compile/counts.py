"""All that one worker counts, and tells the control side: requests, what plugins count, what entry points count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.compile.compiler import Compiled
from pointsman.compile.parts import SERVICES
from pointsman.compile.tallies import Tallies
from pointsman.observe.meter import ROWS, Counted, Meter, Recording
from pointsman.observe.numbers import Numbers
from pointsman.observe.observer import Signal


class Counts:
    """The counts of a worker; without a recording nobody wants to know them."""

    def __init__(self, recording: Recording | None) -> None:
        self.numbers = Numbers()
        self._meter = Meter(recording) if recording is not None else None
        self._tallies: Tallies | None = None

    @property
    def signals(self) -> Sequence[Signal]:
        return () if self._meter is None else (self._meter,)

    def read_from(self, tcp: Mapping[str, Any], http3: Mapping[str, Any], udp: Mapping[str, Any]) -> None:
        """The entry points of the worker."""
        self._tallies = Tallies(self.numbers, tcp, http3, udp)

    def follow(self, compiled: Compiled) -> None:
        """This configuration is live: what belongs to nothing of it is counted no more."""
        if self._meter is not None:
            self._meter.forget()
        uses, services = compiled.uses, compiled.services
        self.numbers.retain(lambda place: place in uses or (place[0] == SERVICES and place[1] in services))

    def news(self) -> Iterator[Counted]:
        """What has come since it was told last, in pieces that are quick to read."""
        if self._meter is None:
            return
        yield from self._meter.news()
        if self._tallies is not None:
            self._tallies.read()
        rows = list(self.numbers.news())
        for at in range(0, len(rows), ROWS):
            yield {"numbers": rows[at : at + ROWS]}
