"""Who asks AWS, and where: credentials, region and endpoints, as botocore finds them.

botocore blocks while it reads files and asks metadata services, so all that may do so runs in a thread (`beside`).
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import frozen
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.regions import EndpointResolver  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from pointsman_ecs.errors import AWSError, one_line

T = TypeVar("T")
SERVICES: Final = ("ecs", "ec2", "ssm")
LIMIT_SECONDS: Final = 30.0
"""For what botocore does in a thread; after that the thread is left to itself."""


@frozen
class Setting:
    """What files and the environment say."""

    session: Session
    region: str
    """"" if nothing says it."""
    metadata_url: str
    """Of the instance metadata service; "" if it is not to be asked."""
    authorities: str
    """A file of certificates to trust in place of the system's; "" for none."""


def read_setting(region: str) -> Setting:
    """`region` is what the option says. Blocking. AWSError if files say nonsense."""
    # At DEBUG botocore writes what it signs and what it is told: tokens and keys.
    logging.getLogger("botocore").setLevel(logging.INFO)
    session = Session()
    session.set_default_client_config(Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1}))
    asked = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"
    metadata = session.get_config_variable("ec2_metadata_service_endpoint") or "http://169.254.169.254/"
    return Setting(
        session,
        region or os.environ.get("AWS_REGION", "") or session.get_config_variable("region") or "",
        metadata if asked else "",
        session.get_config_variable("ca_bundle") or "",
    )


class Account:
    """Signs requests to one region."""

    def __init__(self, session: Session, region: str, endpoints: Mapping[str, str], credentials: Any) -> None:
        self.region = region
        self.session = session
        self.endpoints = endpoints
        """URLs by service."""
        self._credentials = credentials
        self._frozen: Any = None

    def __repr__(self) -> str:
        return f"<Account in {self.region}>"

    @classmethod
    def open(cls, setting: Setting, region: str, access_key_id: str, secret_access_key: str) -> "Account":
        """Blocking. AWSError if there are no credentials, or nobody knows the region."""
        session = setting.session
        session.set_config_variable("region", region)  # where roles are taken on
        given = Credentials(access_key_id, secret_access_key) if access_key_id else None
        credentials = given or session.get_credentials()
        if credentials is None:
            raise AWSError(
                "no AWS credentials were found in the environment, in ~/.aws or from the task's or instance's role"
            )
        return cls(session, region, _endpoints(session, region), credentials)

    def renew(self) -> None:
        """Have credentials that are good for a while. Blocking."""
        self._frozen = self._credentials.get_frozen_credentials()

    def signed(self, service: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Headers of a POST to a service's endpoint, with all that proves who asks."""
        request = AWSRequest("POST", self.endpoints[service], dict(headers), body)
        SigV4Auth(self._frozen, service, self.region).add_auth(request)
        return dict(request.headers.items())

    def without_secrets(self, text: str) -> str:
        for secret in (self._frozen.secret_key, self._frozen.token) if self._frozen else ():
            text = text.replace(secret, "REDACTED") if secret else text
        return text


def _endpoints(session: Session, region: str) -> dict[str, str]:
    resolver = EndpointResolver(session.get_data("endpoints"))
    plain = bool(session.get_config_variable("ignore_configured_endpoint_urls"))
    return {
        service: ("" if plain else _configured(session, service)) or _public(session, resolver, service, region)
        for service in SERVICES
    }


def _configured(session: Session, service: str) -> str:
    for name in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if url := os.environ.get(name):
            if not url.startswith(("http://", "https://")):
                raise AWSError(f"{name} is no http or https URL")
            return url
    return str(session.get_scoped_config().get("endpoint_url") or "")


def _public(session: Session, resolver: EndpointResolver, service: str, region: str) -> str:
    found = resolver.construct_endpoint(
        service,
        region,
        use_dualstack_endpoint=bool(session.get_config_variable("use_dualstack_endpoint")),
        use_fips_endpoint=bool(session.get_config_variable("use_fips_endpoint")),
    )
    if not found:
        raise AWSError(f"there is no AWS region '{region}', as far as botocore knows; say 'region', or AWS_ENDPOINT_URL")
    return f"https://{found['hostname']}/"


async def beside(work: Callable[..., T], *arguments: Any) -> T:
    """What botocore does in a thread of its own, which does not hold up the end of the process. AWSError if it fails."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], outcome: Any) -> None:
        if not done.done():
            settle(outcome)

    def run() -> None:
        told: tuple[Callable[[Any], None], Any]
        try:
            told = done.set_result, work(*arguments)
        except Exception as error:
            told = done.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, *told)

    threading.Thread(target=run, name="pointsman-ecs", daemon=True).start()
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await done
    except TimeoutError:
        raise AWSError(f"AWS credentials did not come within {LIMIT_SECONDS:g} s") from None
    except (BotoCoreError, ClientError) as error:
        raise AWSError(one_line(str(error))) from None
