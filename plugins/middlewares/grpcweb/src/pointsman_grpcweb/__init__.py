"""grpcWeb: let browsers, which cannot read trailers, call gRPC services (middlewares.md §3.12)."""

from pointsman import Middleware, hookimpl
from pointsman_grpcweb.grpcweb import GrpcWeb


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [GrpcWeb]
