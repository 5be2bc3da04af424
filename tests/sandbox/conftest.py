from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest

from incident_mcp.sandbox import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.fixture
def box() -> Sandbox:
    return Sandbox(now=NOW)


@pytest.fixture
async def incidentio(box: Sandbox) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        transport=box.transport("incidentio"),
        base_url="https://api.incident.io",
        headers={"Authorization": f"Bearer {INCIDENTIO_KEY}"},
    ) as client:
        yield client


@pytest.fixture
async def ionhour(box: Sandbox) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        transport=box.transport("ionhour"),
        base_url="https://api.ionhour.com/api",
        headers={"Authorization": f"Bearer {IONHOUR_KEY}"},
    ) as client:
        yield client
