"""What matchers ask of a request (routing.md §3.2-§3.3): closures over bytes, made once, as cheap as can be per request."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from pointsman.api import Predicate
from pointsman.message import Request

Search = Callable[[bytes], bool]
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PARSED_QUERY = "pointsman.routing.query"
_MAX_KNOWN_CLIENTS = 4096


def wire(text: str) -> bytes:
    """A rule's argument as it may stand on the wire."""
    return text.encode("utf-8", "surrogateescape")


def without_dot(host: bytes) -> bytes:
    """A host without the one trailing dot that says it is fully qualified."""
    return host[:-1] if host[-1:] == b"." and len(host) > 1 else host


def always(request: Request) -> bool:
    return True


def never(request: Request) -> bool:
    return False


def host_is(name: bytes) -> Predicate:
    either = (name, name + b".")
    return lambda request: request.host in either


def host_below(suffix: bytes) -> Predicate:
    """Exactly one label before `suffix`, which begins with a dot."""
    either = (suffix, suffix + b".")

    def test(request: Request) -> bool:
        host = request.host
        dot = host.find(b".")
        return dot > 0 and host[dot:] in either

    return test


def host_found(search: Search) -> Predicate:
    return lambda request: search(request.host)


def path_is(path: bytes) -> Predicate:
    return lambda request: request.routing_path == path


def path_begins(prefix: bytes) -> Predicate:
    return lambda request: request.routing_path.startswith(prefix)


def path_found(search: Search) -> Predicate:
    return lambda request: search(request.routing_path)


def method_is(method: bytes) -> Predicate:
    return lambda request: request.method == method


def header_is(name: bytes, value: bytes) -> Predicate:
    if name == b"host":
        return never
    line = (name, value)
    return lambda request: line in request.headers.pairs()


def header_present(name: bytes) -> Predicate:
    return never if name == b"host" else lambda request: name in request.headers


def header_found(name: bytes, search: Search) -> Predicate:
    if name == b"host":
        return never

    def test(request: Request) -> bool:
        for key, value in request.headers.pairs():  # noqa: SIM110  # a loop costs half of any() with a generator
            if key == name and search(value):
                return True
        return False

    return test


def query_is(name: bytes, value: bytes) -> Predicate:
    def test(request: Request) -> bool:
        query = request.query
        return bool(query) and value in query_values(request).get(name, ())

    return test


def query_present(name: bytes) -> Predicate:
    return lambda request: bool(request.query) and name in query_values(request)


def query_found(name: bytes, search: Search) -> Predicate:
    def test(request: Request) -> bool:
        if not request.query:
            return False
        return any(map(search, query_values(request).get(name, ())))

    return test


def query_values(request: Request) -> dict[bytes, list[bytes]]:
    """The query's decoded values by key; parsed once per query, whoever asks. Pairs with a broken escape are left out."""
    query = request.query or b""
    known = request.state.get(_PARSED_QUERY)
    if known is not None and known[0] is query:
        return known[1]  # type: ignore[no-any-return]
    values: dict[bytes, list[bytes]] = {}
    for pair in query.split(b"&"):
        if pair and not _BROKEN_ESCAPE.search(pair):
            name, _, value = pair.partition(b"=")
            values.setdefault(_decoded(name), []).append(_decoded(value))
    request.state[_PARSED_QUERY] = query, values
    return values


def _decoded(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def client_in(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Predicate:
    """The peer's address lies in the network. Answers are kept by address: to compare parsed ones costs ten times more."""
    known: dict[str, bool] = {}

    def test(request: Request) -> bool:
        client = request.client
        answer = known.get(client.host)
        if answer is None:
            if len(known) >= _MAX_KNOWN_CLIENTS:
                known.clear()
            answer = known[client.host] = client.ip in network
        return answer

    return test


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a CIDR range; IPv4-mapped IPv6 is IPv4 (routing.md §3.3). ValueError for anything else."""
    _, slash, length = text.partition("/")
    if "%" in text or (slash and not (length.isascii() and length.isdigit())):
        raise ValueError(f"'{text}' is neither an IP address nor a CIDR range")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is neither an IP address nor a CIDR range") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network
