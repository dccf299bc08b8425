"""Names of services that never mean two things: joined by `-`, different parts may read the same."""

from typing import Any

from pointsman_kubernetes.names import digest


class Names:
    """Who has which name."""

    def __init__(self) -> None:
        self._owners: dict[str, Any] = {}

    def of(self, wanted: str, *identity: Any) -> str:
        """`wanted`, if it is free or this one's already; else with a digest behind it."""
        owner = self._owners.setdefault(wanted, identity)
        return wanted if owner == identity else self.of(f"{wanted}-{digest(repr(identity))}", *identity)
