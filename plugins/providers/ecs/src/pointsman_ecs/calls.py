"""Calls of the AWS APIs by HTTP: signed, bounded, paged, and repeated where AWS asks for patience.

ECS and SSM speak JSON 1.1, EC2 its query protocol with XML; botocore's own clients for them would load models of 30 MB that
say the same (design.md §5).
"""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from botocore.utils import get_environ_proxies  # type: ignore[import-untyped]

from pointsman.dialect.reasons import reason
from pointsman_ecs.account import Account
from pointsman_ecs.ec2 import error_in, instances_in
from pointsman_ecs.errors import AWSError, Refused, Throttled, one_line

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
MAX_PAGES: Final = 1000
ATTEMPTS: Final = 5
"""Of one call, while AWS says that it is asked too often."""
PAUSE_SECONDS: Final = 0.5
"""Before the second attempt, about; before each further one twice as long."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=20, sock_connect=5)
_TARGETS: Final = {"ecs": "AmazonEC2ContainerServiceV20141113", "ssm": "AmazonSSM"}
_THROTTLED: Final = ("Throttl", "RequestThrottled", "EC2Throttled", "RequestLimitExceeded", "TooManyRequests", "SlowDown")


def open_http(authorities: str) -> aiohttp.ClientSession:
    """`authorities` is a file of certificates to trust in place of the system's; AWSError if it cannot be used."""
    try:
        trust = ssl.create_default_context(cafile=authorities or None)
    except OSError as error:  # ssl.SSLError is one
        raise AWSError(
            f"the certificates in {authorities} (AWS_CA_BUNDLE) cannot be used: {error.strerror or error}"
        ) from None
    connector = aiohttp.TCPConnector(ssl=trust, limit=8)
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())


class Calls:
    """What the APIs answer, as plain data. AWSError for all that goes wrong."""

    def __init__(
        self, account: Account, http: aiohttp.ClientSession, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._account = account
        self._http = http
        self._pause = pause

    async def json(self, service: str, action: str, **parameters: Any) -> dict[str, Any]:
        """One call of ECS or SSM."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{_TARGETS[service]}.{action}"}
        body = await self._ask(service, action, headers, json.dumps(parameters).encode())
        return _object(body, f"{action} of {service}")

    async def pages(self, service: str, action: str, token: str, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """All pages of one; `token` is what the key of the next page is called."""
        follow = _Pages(f"{action} of {service}")
        while True:
            page = await self.json(service, action, **parameters, **({token: follow.next} if follow.next else {}))
            yield page
            if not follow.on(page.get(token)):
                return

    async def ec2_instances(self, ids: list[str]) -> dict[str, str]:
        """Addresses of those that run, by id."""
        found: dict[str, str] = {}
        # A filter, not InstanceId.N, which refuses all when one of them is gone.
        form = {"Action": "DescribeInstances", "Version": "2016-11-15", "Filter.1.Name": "instance-id"}
        form |= {f"Filter.1.Value.{number}": each for number, each in enumerate(ids, 1)}
        follow = _Pages("DescribeInstances of ec2")
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        while True:
            asked = form | ({"NextToken": follow.next} if follow.next else {})
            addresses, token = instances_in(await self._ask("ec2", "DescribeInstances", headers, urlencode(asked).encode()))
            found |= addresses
            if not follow.on(token):
                return found

    async def _ask(self, service: str, action: str, headers: Mapping[str, str], body: bytes) -> bytes:
        pause = PAUSE_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._once(service, action, headers, body)
            except Throttled:
                await self._pause(pause * random.uniform(0.5, 1.5))
                pause *= 2
        return await self._once(service, action, headers, body)

    async def _once(self, service: str, action: str, headers: Mapping[str, str], body: bytes) -> bytes:
        url = self._account.endpoints[service]
        signed = {**self._account.signed(service, headers, body), "Accept-Encoding": "identity"}
        proxy = get_environ_proxies(url).get(url.partition(":")[0])
        what = f"{action} of {service}"
        try:
            async with self._http.post(url, data=body, headers=signed, proxy=proxy, allow_redirects=False) as response:
                answer, status = await _bounded(response, what), response.status
        except TimeoutError:
            raise AWSError(f"{what}: no answer within {TIMEOUT.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AWSError(f"{what} at {urlsplit(url).hostname}: {reason(error)}") from None
        if status != 200:
            raise self._refusal(service, action, status, answer)
        return answer

    def _refusal(self, service: str, action: str, status: int, answer: bytes) -> Refused:
        code, message = error_in(answer) if service == "ec2" else _error_in(answer)
        code = code or f"status {status}"
        told = self._account.without_secrets(one_line(f"{code}: {message}" if message else code))
        kind = Throttled if status == 429 or code.startswith(_THROTTLED) else Refused
        return kind(f"{action} of {service} in {self._account.region} was refused: {told}", code)


class _Pages:
    """Which page comes next, as long as that leads anywhere."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self.next = ""

    def on(self, token: Any) -> bool:
        """Whether there is another page; AWSError if there is no end."""
        self._count += 1
        if not token:
            return False
        if not isinstance(token, str) or token == self.next or self._count >= MAX_PAGES:
            raise AWSError(f"{self._what}: its pages do not end")
        self.next = token
        return True


async def _bounded(response: aiohttp.ClientResponse, what: str) -> bytes:
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise AWSError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES // 1024 // 1024} MiB")
    return bytes(answer)


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise AWSError(f"{what}: the answer is no JSON object; does the endpoint speak for AWS?")
    return answer


def _error_in(body: bytes) -> tuple[str, str]:
    """Code and message of an error in JSON; empty if it is none."""
    try:
        error = _object(body, "")
    except AWSError:
        return "", ""
    code = error.get("__type") or error.get("code") or ""
    return str(code).rpartition("#")[2], str(error.get("message") or error.get("Message") or "")
