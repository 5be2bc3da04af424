"""The team's server of real parts, once for all tests of a file."""

import os
import shutil

import pytest

from tests.serving.http.cluster import REQUIRED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `team` without redis-server, unless INCIDENT_MCP_REQUIRE_TEAM is set."""
    del config
    if shutil.which("redis-server") or os.environ.get(REQUIRED):
        return
    for item in items:
        if item.get_closest_marker("team"):
            item.add_marker(pytest.mark.skip(reason="redis-server is not on the path"))
