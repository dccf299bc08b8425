"""From TraefikServices to services (kubernetes.md §3.8).

They refer to each other by name, so a circle of them ends nothing here; the compiler closes what goes round in one.
"""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.dialect.lookups import block, blocks
from pointsman.errors import Problem
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import Read, boolean, integer, strings, take
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.services import STICKY
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.kinds import TRAEFIK_SERVICE

_WEIGHTED: Final[Mapping[str, Read]] = {"sticky": fields.block(STICKY)}
_MIRRORING: Final[Mapping[str, Read]] = {"mirrorBody": boolean, "maxBodySize": integer}
_FAILOVER: Final[Mapping[str, Read]] = {"errors": fields.block({"status": strings, "maxRequestBodyBytes": integer})}
_KINDS: Final = ("weighted", "highestRandomWeight", "mirroring", "failover")


def composites(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """What `http.services` has of TraefikServices. One that cannot be is left out, which closes the routers to it."""
    section: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, thing in view.references.own(TRAEFIK_SERVICE):
        owner = Owner.of(TRAEFIK_SERVICE, thing)
        try:
            spec = block(thing, "spec")
            said = [kind for kind in _KINDS if spec.get(kind) is not None]
            if not said:
                raise Refused(f"unspecified service type; it needs one of {', '.join(_KINDS)}")
            section[name] = {said[0]: _composite(view, owner, name, said[0], block(spec, said[0]))}
            if len(said) > 1:
                problems.append(owner.problem(f"has {' and '.join(said)}; {said[0]} counts, take the rest out"))
        except Refused as error:
            problems.append(owner.problem(f"is left out: {error}"))
    return section, problems


def _composite(view: View, owner: Owner, name: str, kind: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    services = view.services
    if kind == "weighted":
        return {
            "services": services.weighted(blocks(wanted, "services"), owner, f"{name}_wrr"),
            **take(wanted, kind, _WEIGHTED),
        }
    if kind == "highestRandomWeight":
        return {"services": services.weighted(blocks(wanted, "services"), owner, f"{name}_hrw")}
    if kind == "mirroring":
        return {
            "service": services.child(wanted, owner, f"{name}_mirroring"),
            "mirrors": [
                {"name": services.child(each, owner, f"{name}_mirror_{index}"), **take(each, "", {"percent": integer})}
                for index, each in enumerate(blocks(wanted, "mirrors"))
            ],
            **take(wanted, kind, _MIRRORING),
        }
    return {
        "service": services.child(block(wanted, "service"), owner, f"{name}_failover"),
        "fallback": services.child(block(wanted, "fallback"), owner, f"{name}_fallback"),
        **take(wanted, kind, _FAILOVER),
    }
