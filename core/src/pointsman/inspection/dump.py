"""The support dump: an archive to be shown to strangers, without secrets, hosts or addresses (operations.md §6.2)."""

import io
import tarfile
import time
from collections.abc import Mapping


def archive(files: Mapping[str, bytes]) -> bytes:
    """A `tar.gz` of these."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, int(time.time())
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
