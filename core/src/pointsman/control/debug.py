"""`/debug/vars`: the process that runs the control side, from within. No command line: flags may hold secrets."""

import asyncio
import gc
import resource
import sys
import threading
import time
from typing import Any

from pointsman.control.knowledge import Knowledge


def variables(known: Knowledge) -> dict[str, Any]:
    """Numbers for whoever looks for leaks. Sizes in bytes, times in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "python": sys.version.partition(" ")[0],
        "uptime": round(time.time() - known.started, 3),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "memory": {"largest": usage.ru_maxrss * 1024, "blocks": sys.getallocatedblocks()},
        "cpu": {"user": usage.ru_utime, "system": usage.ru_stime},
        "gc": {"counts": gc.get_count(), "frozen": gc.get_freeze_count()},
        "workers": [
            {
                "alive": worker.alive,
                **{key: getattr(worker, key) for key in ("number", "pid", "restarts") if hasattr(worker, key)},
            }
            for worker in known.workers
        ],
    }
