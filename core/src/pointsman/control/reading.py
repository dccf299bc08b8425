"""Totals as metrics: named, labelled and folded as one exporter needs them (operations.md §4.1)."""

from collections.abc import Callable, Generator, Iterable
from operator import itemgetter
from typing import Final

from pointsman.control.merge import Slices
from pointsman.control.totals import Cell, Owner, Owners, Totals
from pointsman.measures import Distribution, Kind, Metric, Needs, Sample
from pointsman.observe.meter import SEMANTIC

SLICE: Final = 200
_SPLIT: Final = "partitioned by status code, protocol, and method."
_HELP: Final = {
    "requests_total": f"How many HTTP requests are processed on {{}}, {_SPLIT}",
    "requests_tls_total": "How many HTTP requests with TLS are processed on {}, partitioned by TLS version and cipher.",
    "request_duration_seconds": f"How long it took to process the request on {{}}, {_SPLIT}",
    "requests_bytes_total": f"The total size of requests in bytes handled by {{}}, {_SPLIT}",
    "responses_bytes_total": f"The total size of responses in bytes handled by {{}}, {_SPLIT}",
    "retries_total": "How many requests were sent once more by {}.",
}
_WHERE: Final = {"entrypoint": "an entrypoint", "router": "a router", "service": "a service"}


class Reader:
    """The totals as somebody with these needs wants them."""

    def __init__(self, totals: Totals, needs: Needs) -> None:
        totals.readers += 1
        self._totals = totals
        self._needs = needs
        self._number = totals.readers
        headers = list(totals.needs.header_labels)
        self._headers = sorted((label, headers.index(name.lower())) for label, name in needs.header_labels.items())

    def reading(self) -> Slices[list[Metric]]:
        """Every metric, by name; a generator that yields between its pieces."""
        totals, needs = self._totals, self._needs
        found: list[Metric] = []
        if needs.entry_points:
            found += yield from self._family("entrypoint", ("entrypoint",), totals.points)
        if needs.routers:
            found += yield from self._family("router", ("router", "service"), totals.routers)
        if needs.services:
            found += yield from self._family("service", ("service",), totals.services)
        if needs.servers:
            found += yield from self._servers()
        if needs.semantic:
            found += self._semantic()
        for name, family in totals.numbers.items():
            samples = family.samples(self._number, totals.readers)
            if samples:
                found.append(Metric(name, family.help, family.kind, family.labels, samples))
        for source in totals.sources:
            found += source()
        return sorted(found, key=itemgetter(0))

    def _shown(self, owners: Owners) -> Generator[None, None, list[tuple[tuple[str, ...], Owner]]]:
        """The owners that this reader is to know of now."""
        found = []
        for number, (name, owner) in enumerate(list(owners.items())):
            if self._totals.shown_to(self._number, owners, name):
                found.append((name, owner))
            if number % SLICE == SLICE - 1:
                yield
        return found

    def _family(self, what: str, own: tuple[str, ...], owners: Owners) -> Slices[list[Metric]]:
        labels = ("code", "method", "protocol", *own)
        order = Order(labels)
        counted = Order((*labels, *(label for label, _ in self._headers)))
        requests: list[Sample] = []
        tls: list[Sample] = []
        durations: list[Sample] = []
        received: list[Sample] = []
        sent: list[Sample] = []
        retries: list[Sample] = []
        tls_order = Order(("tls_version", "tls_cipher", *own))
        shown = yield from self._shown(owners)
        for number, (name, owner) in enumerate(shown):
            for key, cell in owner.cells.items():
                values = order.of((*key, *name))
                if not self._headers:
                    requests.append(Sample(values, cell.count))
                durations.append(Sample(values, self._distribution(cell)))
                received.append(Sample(values, cell.bytes_in))
                sent.append(Sample(values, cell.bytes_out))
            if self._headers:
                requests += self._by_headers(counted, name, owner)
            tls += [Sample(tls_order.of((*key, *name)), count) for key, count in owner.tls.items()]
            if owner.retries:
                retries.append(Sample(name, owner.retries))
            if number % SLICE == SLICE - 1:
                yield
        tables: dict[str, tuple[tuple[str, ...], list[Sample]]] = {
            "requests_total": (counted.labels, requests),
            "requests_tls_total": (tls_order.labels, tls),
            "request_duration_seconds": (order.labels, durations),
            "requests_bytes_total": (order.labels, received),
            "responses_bytes_total": (order.labels, sent),
            "retries_total": (own, retries),
        }
        return [
            Metric(f"traefik_{what}_{name}", _HELP[name].format(_WHERE[what]), _kind(name), labels, samples)
            for name, (labels, samples) in tables.items()
            if samples
        ]

    def _by_headers(self, order: "Order", name: tuple[str, ...], owner: Owner) -> Iterable[Sample]:
        sums: dict[tuple[str, ...], int] = {}
        for key, count in owner.labelled.items():
            told = order.of((*key[:3], *name, *(key[3 + at] for _, at in self._headers)))
            sums[told] = sums.get(told, 0) + count
        return [Sample(labels, count) for labels, count in sums.items()]

    def _distribution(self, cell: Cell) -> Distribution:
        return Distribution(self._totals.needs.boundaries, tuple(cell.places), cell.seconds).at(self._needs.boundaries)

    def _servers(self) -> Slices[list[Metric]]:
        requests: list[Sample] = []
        durations: list[Sample] = []
        for (service, url), owner in (yield from self._shown(self._totals.servers)):
            name = (service, without_user(url))
            requests += [Sample((*key, *name), cell.count) for key, cell in owner.cells.items()]
            durations += [Sample((*key, *name), self._distribution(cell)) for key, cell in owner.cells.items()]
        labels = ("code", "service", "url")
        return [
            Metric("pointsman_server_request_duration_seconds", "How long servers took", "histogram", labels, durations),
            Metric("pointsman_server_requests_total", "Requests sent to servers", "counter", labels, requests),
        ]

    def _semantic(self) -> list[Metric]:
        return [
            Metric(
                f"http.{side}.request.duration",
                f"Duration of HTTP {side} requests.",
                "histogram",
                SEMANTIC,
                [Sample(labels, self._distribution(cell)) for labels, cell in self._totals.semantic[side].items()],
            )
            for side in ("server", "client")
        ]


def without_user(url: str) -> str:
    """A server's URL, as it may be shown: who logs in there, and by which password, is nobody's business."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    _user, at, host = authority.rpartition("@")
    return f"{scheme}{mark}REDACTED@{host}{slash}{path}" if at else url


def _kind(name: str) -> Kind:
    return "counter" if name.endswith("_total") else "histogram"


class Order:
    """Labels sorted by name."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        at = sorted(range(len(labels)), key=labels.__getitem__)
        self.labels = tuple(labels[each] for each in at)
        self.of: Callable[[tuple[str, ...]], tuple[str, ...]] = itemgetter(*at) if len(at) > 1 else tuple
