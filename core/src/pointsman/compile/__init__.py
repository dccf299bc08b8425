"""Dynamic configuration and registry to snapshot: pure, and the only room that knows every other.

A compiler keeps what it built. What did not change, and needs nothing that changed, is carried over with its state: pools,
balancers, counters. The work is done in slices, so that requests go on between them (design.md §4, Reload).
"""

from pointsman.compile.compiler import Compiled, Compiler
from pointsman.compile.parts import Secrets, Status, Surroundings, Tree

__all__ = ["Compiled", "Compiler", "Secrets", "Status", "Surroundings", "Tree"]
