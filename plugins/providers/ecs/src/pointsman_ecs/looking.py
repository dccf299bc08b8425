"""All that it takes to look at ECS; imported when somebody does, for it brings botocore and aiohttp."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from pointsman_ecs.account import Account, beside, read_setting
from pointsman_ecs.calls import Calls, open_http
from pointsman_ecs.config import ECSConfig
from pointsman_ecs.definitions import Definitions
from pointsman_ecs.look import Look
from pointsman_ecs.region import own_region
from pointsman_ecs.tasks import Seen


@asynccontextmanager
async def opened(
    config: ECSConfig, definitions: Definitions, exposed: Callable[[Mapping[str, str]], bool]
) -> AsyncIterator[Callable[[], Awaitable[Seen]]]:
    """A function that looks once. AWSError, also from that, says what AWS or its settings do not give."""
    setting = await beside(read_setting, config.region)
    async with open_http(setting.authorities) as http:
        region = setting.region or await own_region(setting.metadata_url, http)
        account = await beside(Account.open, setting, region, config.access_key_id, config.secret_access_key)
        calls = Calls(account, http)

        async def look() -> Seen:
            await beside(account.renew)
            return await Look(config, calls, definitions, exposed).around()

        yield look
