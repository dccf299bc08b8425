"""Host names that routes of two kinds want on one listener: the older route has them, the other is not attached. Pure.

(Gateway API, GRPCRoute `hostnames`: of an HTTPRoute and a GRPCRoute exactly one is accepted.)
"""

from collections.abc import Sequence

from pointsman_kubernetes.gateway.attach import Attachment, Place
from pointsman_kubernetes.gateway.listeners import Listener
from pointsman_kubernetes.gateway.order import covering
from pointsman_kubernetes.gateway.statuses import condition


class _Names:
    """Host names as listeners and routes write them; "" is any."""

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._above: set[str] = set()
        """What takes in one of them."""

    def add(self, name: str) -> None:
        self._own.add(name)
        self._above.update(covering(name))

    def meet(self, name: str) -> bool:
        """Whether a request's host may be both this and one of them."""
        return name in self._own or name in self._above or any(each in self._own for each in covering(name))


class Claims:
    """Which kind of route has which names. Give it attachments, the oldest first."""

    def __init__(self) -> None:
        self._taken: dict[int, dict[str, _Names]] = {}
        """By listener, and by the kind of route."""

    def settle(self, attachment: Attachment) -> None:
        """Detach a route from listeners where another kind has its names, and tell it."""
        lost: dict[int, Listener] = {}
        for parent in attachment.parents:
            kept = [place for place in parent.places if self._free(attachment.kind.name, place)]
            lost |= {id(place.listener): place.listener for place in parent.places if place not in kept}
            if parent.places and not kept:
                message = "A route of another kind, which is older, has these hostnames on this listener"
                parent.accepted = condition(attachment.route, "Accepted", False, "HostnameConflict", message)
            parent.places[:] = kept
        for listener in lost.values():
            listener.routes -= 1
        for place in attachment.places:
            names = self._taken.setdefault(id(place.listener), {}).setdefault(attachment.kind.name, _Names())
            for name in _of(place):
                names.add(name)

    def _free(self, kind: str, place: Place) -> bool:
        others = [names for other, names in self._taken.get(id(place.listener), {}).items() if other != kind]
        return not any(names.meet(name) for names in others for name in _of(place))


def _of(place: Place) -> Sequence[str]:
    return place.hostnames or ("",)
