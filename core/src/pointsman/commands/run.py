"""`pointsman`: start and serve."""

import json
import logging
import os
import sys
from collections.abc import Sequence

from pointsman.config.sources import read_static
from pointsman.config.static import print_static
from pointsman.control.activation import take_passed
from pointsman.control.exporters import check_exporters
from pointsman.control.gateway import Gateway
from pointsman.control.notify import Supervisor
from pointsman.errors import ConfigError, Problem
from pointsman.logs import setup_logging
from pointsman.plugins import Registry
from pointsman.worker import Local, run_loop

log = logging.getLogger("pointsman")


def run(argv: Sequence[str], registry: Registry) -> int:
    """Serve until told to stop; 1 if the static configuration or an entry point is no good."""
    loaded = read_static(argv, os.environ, os.getcwd(), registry.sections)
    check_exporters(loaded.config, registry)
    try:
        reopen = setup_logging(loaded.config.log)
    except OSError as error:
        path = loaded.config.log.file_path
        raise ConfigError(Problem("log.filePath", f"cannot write to {path}: {error.strerror}; name another file")) from None
    for problem in (*loaded.warnings, *registry.problems):
        if problem.loud:
            log.error("%s", problem)
        elif log.isEnabledFor(logging.WARNING):
            log.warning("%s", problem)
        else:
            # whoever starts a gateway hears this, whatever is logged later
            print(f"warning: {problem}", file=sys.stderr)
    log.info("configuration from %s", loaded.source)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("static configuration: %s", json.dumps(print_static(loaded.config), default=str))
    try:
        passed, supervisor = take_passed(os.environ), Supervisor.of(os.environ)
        run_loop(Gateway(loaded, registry, Local, reopen, passed, supervisor).run())
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0
