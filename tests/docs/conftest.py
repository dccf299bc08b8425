"""What a reader has."""

import shutil

import pytest


@pytest.fixture
def shell_programs() -> None:
    """Those that the documents use, and every reader is taken to have."""
    for program in ("bash", "curl", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {program}")
