"""A sample service: says its name and what it was asked. `python service.py NAME PORT`."""

import json
import sys

from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    """What came, as JSON."""
    headers = {name: value for name, value in request.headers.items() if name.startswith(("X-", "Host"))}
    told = {"service": request.app["name"], "method": request.method, "path": request.path_qs, "headers": headers}
    return web.Response(text=json.dumps(told, indent=2) + "\n", content_type="application/json")


def main(name: str, port: int) -> None:
    application = web.Application()
    application["name"] = name
    application.router.add_route("*", "/{path:.*}", answer)
    web.run_app(application, host="127.0.0.1", port=port, print=None, handle_signals=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
