"""What may be referred to from another namespace (ReferenceGrant). Pure."""

from attrs import frozen

from pointsman.dialect.lookups import at, blocks, text
from pointsman_kubernetes.kinds import REFERENCE_GRANT, Kind
from pointsman_kubernetes.objects import Objects, namespace_of


@frozen
class _Grant:
    from_group: str
    from_kind: str
    from_namespace: str
    to_group: str
    to_kind: str
    to_namespace: str


class Grants:
    """All grants of a cluster."""

    def __init__(self, objects: Objects) -> None:
        self._names: dict[_Grant, set[str | None]] = {}
        for grant in objects.all(REFERENCE_GRANT):
            sources, targets = blocks(grant, "spec", "from"), blocks(grant, "spec", "to")
            for source in sources:
                for target in targets:
                    key = _Grant(
                        text(source, "group"),
                        text(source, "kind"),
                        text(source, "namespace"),
                        _group(text(target, "group")),
                        text(target, "kind"),
                        namespace_of(grant),
                    )
                    name = at(target, "name")
                    self._names.setdefault(key, set()).add(name if isinstance(name, str) else None)

    def permit(self, kind: Kind, namespace: str, to: tuple[str, str, str], to_namespace: str) -> bool:
        """Whether an object of that kind in `namespace` may name `to`, which is (group, kind, name), in `to_namespace`.

        The core group is "" or "core". Nothing needs to be granted within one namespace.
        """
        if namespace == to_namespace:
            return True
        group, to_kind, name = to
        names = self._names.get(_Grant(kind.group, kind.name, namespace, _group(group), to_kind, to_namespace), set())
        return None in names or name in names


def _group(group: str) -> str:
    return "" if group == "core" else group
