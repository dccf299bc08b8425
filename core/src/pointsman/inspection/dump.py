"""The support dump: an archive to be shown to strangers, without secrets, hosts or addresses (operations.md §6.2)."""

import io
import json
import tarfile
import time
from collections.abc import Mapping
from typing import Any


def archive(files: Mapping[str, Any]) -> bytes:
    """A `tar.gz` with a JSON file for each."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode() + b"\n"
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, int(time.time())
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
