"""The options of certificate resolvers, for the plugins that are some (operations.md §7.1)."""

from pointsman.config.resolver_model import ACME, EAB, DNSChallenge, HTTPChallenge, Propagation, Tailscale

__all__ = ["ACME", "EAB", "DNSChallenge", "HTTPChallenge", "Propagation", "Tailscale"]
