"""What containers, tasks and instances of catalogues become (providers.md §1.6, §1.7, §3.5, §3.6).

A provider that finds such things makes an `Instance` of each, and `Instances(context, ...).document(instances)` makes one
document of them all: what their labels say (the context's `from_labels`), and the services and routers that they leave out.
"""

from pointsman.dialect.instances.collection import Instances
from pointsman.dialect.instances.instance import Instance

__all__ = ["Instance", "Instances"]
