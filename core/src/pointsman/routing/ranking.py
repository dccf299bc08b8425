"""Which router goes first (routing.md §3.7): priority, then provider, then an exact host, then the name. Never chance."""

from collections.abc import Sequence
from typing import NamedTuple

from pointsman.routing.rules import Rule

MAX_PRIORITY = 2**63 - 1 - 1000
"""The highest priority of a router that is not the gateway's own."""

PRECEDENCE = (
    "kubernetesgateway",
    "kubernetescrd",
    "kubernetes",
    "kubernetesingressnginx",
    "swarm",
    "docker",
    "file",
    "redis",
    "knative",
    "consul",
    "consulcatalog",
    "nomad",
    "etcd",
    "ecs",
    "http",
    "zookeeper",
    "rest",
)
"""The default of `providers.precedence`."""


class Rank(NamedTuple):
    """A sort key: the smaller goes first."""

    negative_priority: int
    provider: int
    wildcard: bool
    name: str

    @property
    def priority(self) -> int:
        return -self.negative_priority


def rank(priority: int, rule: Rule, provider: int, name: str) -> Rank:
    """The rank of a router. `priority` 0 means the length of its rule; `provider` is its place in the precedence."""
    return Rank(-(priority or rule.default_priority), provider, rule.has_wildcard_host, name)


def provider_place(name: str, precedence: Sequence[str] = PRECEDENCE) -> int:
    """The place of `shop@docker`'s provider in the precedence; one that is not listed comes last."""
    provider = name.rpartition("@")[2]
    return precedence.index(provider) if provider in precedence else len(precedence)


def check_priority(priority: int, name: str) -> None:
    """ValueError if a router that is not the gateway's own claims a priority above all."""
    if priority > MAX_PRIORITY and not name.endswith("@internal"):
        raise ValueError(f"priority {priority} exceeds the max user-defined priority {MAX_PRIORITY}")


def why_behind(loser: Rank, winner: Rank, loser_is_length: bool, winner_is_length: bool) -> str:
    """Why `winner` goes before `loser`, in words."""
    length, of_winner = (" (rule length)" if is_length else "" for is_length in (loser_is_length, winner_is_length))
    if loser.negative_priority != winner.negative_priority:
        return f"priority {loser.priority}{length} is lower than {winner.priority}{of_winner}"
    same = f"priority {loser.priority} is the same"
    if loser.provider != winner.provider:
        return f"{same}, but the other's provider has precedence"
    if loser.wildcard != winner.wildcard:
        return f"{same}, but an exact host goes before a wildcard"
    return f"{same}, but '{winner.name}' sorts before '{loser.name}'"
