"""The region that this machine runs in, as the instance metadata service says, version 2."""

from typing import Final

import aiohttp

from pointsman_ecs.config import is_region
from pointsman_ecs.errors import AWSError

TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
SAY: Final = "say 'region', or AWS_REGION in the environment"


async def own_region(url: str, http: aiohttp.ClientSession) -> str:
    """Asks the service at `url`, where it is to be asked at all. AWSError if nobody says."""
    if not url:
        raise AWSError(f"no AWS region is known; {SAY}")
    base = url.rstrip("/")
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    try:
        token = await _read(http.put(f"{base}/latest/api/token", headers=lifetime, timeout=TIMEOUT))
        key = {"X-aws-ec2-metadata-token": token}
        region = await _read(http.get(f"{base}/latest/meta-data/placement/region", headers=key, timeout=TIMEOUT))
    except (aiohttp.ClientError, OSError, ValueError):
        raise AWSError(f"no AWS region is known, and the instance metadata service does not tell it; {SAY}") from None
    if not is_region(region):
        raise AWSError(f"the instance metadata service tells of no region; {SAY}")
    return region


async def _read(request: aiohttp.client._RequestContextManager) -> str:
    async with request as response:
        response.raise_for_status()
        return (await response.content.read(1024)).decode("ascii").strip()
