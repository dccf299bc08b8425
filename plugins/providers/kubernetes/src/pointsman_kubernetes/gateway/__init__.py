"""Routers of the Gateway API (kubernetes.md §4): what a cluster's Gateways, and the routes attached to them, mean.

One build goes through these rooms, and each kind of route through the same ones:

`provider` makes a `Draft`, `gateways` finds the Gateways that are ours, `listeners` what each of their listeners takes. A
kind of route then asks `attach` where each of its routes is attached, `backends` what its backendRefs come to, adds routers
to the draft, says with `order` which goes first, and has `attach.tell` tell the route its status. Then the Gateways are.
"""
