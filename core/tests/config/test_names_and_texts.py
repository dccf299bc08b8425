"""Any document can be written as labels or as keys and read back, and nothing that is written breaks the reader."""

from functools import cache
from typing import Any, ClassVar, Literal

from attrs import NOTHING, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.blocks import fields_of
from pointsman.config.convert import structure
from pointsman.config.dynamic import CERTIFICATES, MIDDLEWARES, SECTIONS, TCP_MIDDLEWARES, structure_document
from pointsman.config.label_model import BEYOND_LABELS, SECTIONS_BEYOND_LABELS, SERVERS, shape_of
from pointsman.config.labels import from_keys, from_labels
from pointsman.config.spelling import spelled
from pointsman.errors import ConfigError
from pointsman.values import Duration, Secret, allow_empty, option


@frozen
class Inner:
    word: str = ""
    weight: float = 0.0


@frozen
class EverythingConfig:
    required: str
    text: Secret = Secret("")
    limit: int | None = None
    wait: Duration = Duration(0.0)
    choice: Literal["one", "two"] = "one"
    on: bool = False
    words: list[str] = field(factory=list)
    numbers: tuple[int, ...] = ()
    inner: Inner | None = None
    empty: Inner | None = allow_empty(default=None)
    inners: list[Inner] = option("manyInners", factory=list)
    named: dict[str, Inner] = field(factory=dict)
    headers: dict[str, str] = field(factory=dict)
    lists: dict[str, list[str]] = field(factory=dict)
    free: Any = None


class Everything:
    name: ClassVar[str] = "everyThing"
    Config: ClassVar[type] = EverythingConfig

    def __init__(self, config: Any, context: Any) -> None: ...
    def __call__(self, request: Any, call_next: Any) -> Any: ...


KINDS: Any = {"everyThing": Everything}
LETTERS = "abXYZ019-_ é"
NAMES = st.text(LETTERS, min_size=1, max_size=5).filter(lambda name: name.strip() and not name.isdecimal())
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
WORDS = st.text(LETTERS, min_size=1, max_size=5).filter(lambda word: word.strip() == word)


def by_name(values: Any, **sizes: int) -> Any:
    """Names that differ by more than their case."""
    pairs = st.lists(st.tuples(NAMES, values), unique_by=lambda pair: pair[0].lower(), **sizes)
    return pairs.map(dict)


ENTRIES = by_name(TEXTS, min_size=1, max_size=2)
FREE = st.recursive(
    TEXTS | st.lists(TEXTS | ENTRIES, min_size=1, max_size=2),
    lambda inner: by_name(inner, min_size=1, max_size=2),
    max_leaves=4,
)


def scalars(annotation: Any) -> Any:
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(-(2**63), 2**63 - 1)
    if annotation is float:
        return st.floats(0, 1e6, allow_subnormal=False).map(lambda number: round(number, 3))
    if annotation is Duration:
        return st.sampled_from(["10s", "1m30s", "250ms", 7])
    if getattr(annotation, "__origin__", None) is Literal:
        return st.sampled_from(annotation.__args__)
    return TEXTS


@cache
def values_of(annotation: Any, labels: bool, *, empty: bool = False) -> Any:
    """What a document may say for an annotation."""
    shape = shape_of(annotation)
    match shape.kind:
        case "block":
            return blocks(shape.inner, labels) | st.just({}) if empty else blocks(shape.inner, labels)
        case "blocks":
            return st.lists(blocks(shape.inner, labels), min_size=1, max_size=3)
        case "list":
            element = scalars(int) if shape.inner is int else WORDS
            return st.lists(element | TEXTS if labels and shape.inner is not int else element, max_size=3)
        case "map":
            return by_name(values_of(shape.inner, labels), min_size=1, max_size=2)
        case "free":
            return FREE
        case _:
            return scalars(shape.inner)


@cache
def blocks(cls: type, labels: bool) -> Any:
    """One to four options of a class and all that are required, and none that labels cannot say."""
    beyond = {*BEYOND_LABELS.get(cls, ()), *(["servers"] if cls in SERVERS else [])} if labels else set()
    own = {
        spelled(each): values_of(each.type, labels, empty=bool(each.metadata.get("allow_empty")))
        for each in fields_of(cls)
        if spelled(each) not in beyond
    }
    if not own:
        return st.just({})
    needed = [spelled(each) for each in fields_of(cls) if each.default is NOTHING]
    some = st.lists(st.sampled_from(sorted(own)), min_size=1, max_size=4)
    return some.flatmap(lambda names: st.fixed_dictionaries({name: own[name] for name in (*needed, *names)}))


def documents(labels: bool) -> Any:
    @st.composite
    def document(draw: Any) -> dict[str, Any]:
        said: dict[str, Any] = {}
        beyond = (*SECTIONS_BEYOND_LABELS, "tls.stores", "udp.services") if labels else ()
        sections = [each for each in SECTIONS if each not in beyond]
        for section in draw(st.lists(st.sampled_from(sections), max_size=3, unique=True)):
            area, _, kind = section.partition(".")
            if section == CERTIFICATES:
                elements: Any = draw(st.lists(blocks(SECTIONS[section], labels), min_size=1, max_size=2))
            elif section in (MIDDLEWARES, TCP_MIDDLEWARES):
                elements = draw(
                    by_name(st.fixed_dictionaries({"everyThing": blocks(EverythingConfig, labels)}), min_size=1, max_size=2)
                )
            else:
                elements = draw(by_name(blocks(SECTIONS[section], labels), min_size=1, max_size=2))
            said.setdefault(area, {})[kind] = elements
        return said

    return document()


def written(value: Any, labels: bool, path: str = "") -> dict[str, str]:
    """A document as labels or keys."""
    dot = ("." if labels else "/") if path else ""
    if isinstance(value, dict):
        if not value:
            return {path: "true"}
        return {
            name: text for key, each in value.items() for name, text in written(each, labels, f"{path}{dot}{key}").items()
        }
    if isinstance(value, list):
        if not value:
            return {path: ""}
        return {
            name: text
            for index, each in enumerate(value)
            for name, text in written(each, labels, f"{path}[{index}]" if labels else f"{path}/{index}").items()
        }
    return {path: str(value).lower() if isinstance(value, bool) else str(value)}


def meaning(document: Any) -> Any:
    structured, problems = structure_document(document, KINDS, "", KINDS)
    assert structured is not None, problems
    middlewares = {
        f"{section} {name}": structure(EverythingConfig, options["everyThing"])
        for section in (MIDDLEWARES, TCP_MIDDLEWARES)
        for name, options in structured[section].items()
    }
    rest = {section: structured[section] for section in SECTIONS if section not in (MIDDLEWARES, TCP_MIDDLEWARES)}
    return rest, middlewares


@settings(max_examples=50)
@given(documents(labels=True))
def test_a_document_written_as_labels_is_read_back(document):
    labels = {f"traefik.{name}": text for name, text in written(document, labels=True).items()}
    read, warnings = from_labels(labels, KINDS, KINDS)
    assert warnings == []
    assert meaning(read) == meaning(document)


@settings(max_examples=50)
@given(documents(labels=False))
def test_a_document_written_as_keys_is_read_back(document):
    read, warnings = from_keys(written(document, labels=False), KINDS, KINDS)
    assert warnings == []
    assert meaning(read) == meaning(document)


VOCABULARY = """
    http tcp udp tls routers services middlewares stores default r tls domains servers loadbalancer sticky cookie everything
    plugin free inner empty named headers lists rule sans x 0 1 [0] domains[1] servers[] ] X[2] enable
"""
WAY = st.lists(st.sampled_from(VOCABULARY.split()) | st.text(max_size=3), min_size=1, max_size=8)
SAID = st.lists(st.tuples(WAY, st.sampled_from(["", "true", "false", "1", "yes", "a,b"]) | TEXTS), max_size=8)


def read_or_refused(reader: Any, said: dict[str, str]) -> Any:
    try:
        document, warnings = reader(said, KINDS, KINDS)
    except ConfigError:
        return {}
    assert all(problem.warning for problem in warnings)
    return document


@settings(max_examples=100)
@given(SAID)
def test_whatever_labels_say_is_a_document_or_refused(said):
    document = read_or_refused(from_labels, {".".join(["traefik", *way]): text for way, text in said})
    for area in ("http", "tcp", "udp"):
        for service in document.get(area, {}).get("services", {}).values():
            service.get("loadBalancer", {}).pop("server", None)
    assert structure_document(document, KINDS, "", KINDS)[0] is not None


@settings(max_examples=100)
@given(SAID)
def test_whatever_keys_say_is_a_document_or_refused(said):
    document = read_or_refused(from_keys, {"/".join(way): text for way, text in said})
    assert structure_document(document, KINDS, "", KINDS)[0] is not None
