"""What one look at a cluster comes to."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from pointsman.errors import Problem
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object


@frozen
class StatusUpdate:
    """The status that an object is to have. Written only if it differs, times of conditions left aside."""

    kind: Kind
    object: Object
    """As it was seen."""
    status: Mapping[str, Any]


@frozen
class Outcome:
    """A document with all sections, what is wrong, and what objects are told."""

    document: Mapping[str, Any] = field(repr=False)  # it holds keys and passwords
    problems: Sequence[Problem] = ()
    """Warnings: each names its object, `ingress default/web: ...`."""
    statuses: Sequence[StatusUpdate] = field(default=(), kw_only=True)
