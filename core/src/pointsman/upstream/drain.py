"""Servers that leave a service: nothing new for them, some time to finish what they have begun, and then the end."""

import logging
from typing import Any, Final

from attrs import frozen

from pointsman.errors import GatewayError
from pointsman.upstream.pool import Pool

log: Final = logging.getLogger("pointsman.upstream")


@frozen(eq=False)
class Leaving:
    """One server and the service that it has left. It may still serve others, whose requests are none of this."""

    service: str
    url: str
    pool: Pool[Any]

    def end(self) -> None:
        """Cut what it still does for the service."""
        ended = 0
        for connection in list(self.pool.members):
            for carrier in connection.carried:
                forwarding = carrier.forwarding
                if forwarding is None or forwarding.service.name != self.service:
                    continue
                if forwarding.peer is not None and forwarding.peer.url == self.url:
                    carrier.give_up(
                        GatewayError(503, "the server has left, and the time to finish is over", side="internal")
                    )
                    ended += 1
        if ended:
            log.warning(
                "service %s: server %s has left, and %d requests that it had were cut",
                self.service,
                self.url,
                ended,
                extra={"serviceName": self.service, "serverURL": self.url},
            )
