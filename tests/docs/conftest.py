"""What the checks of documents and packages share."""

import os
import shutil
from pathlib import Path

import pytest

from tests.spawned import ROOT, run


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that started the tests, or the one on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        pytest.fail("uv is not on the path: pip install uv")
    return found


@pytest.fixture(scope="session")
def built(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    building = run(uv, "build", "--out-dir", out, ROOT, timeout=300)
    assert building.returncode == 0, building.stderr
    return out
