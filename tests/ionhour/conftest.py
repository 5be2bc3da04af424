from collections.abc import AsyncIterator

import pytest

from tests.conftest import Caller, Connect


@pytest.fixture(params=["legacy", "auto"])
async def call(connect: Connect, request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    """A client of the 2025-11-25 era, and one of 2026-07-28."""
    async with connect(request.param) as caller:
        yield caller
