"""The journal in Redis: what every journal does, and what only one for several replicas does."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from incident_mcp.errors import WriteLimitError
from incident_mcp.serving.http.shared import SharedState
from incident_mcp.serving.http.shared.journal import RedisJournal
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.limits import SettingLimit
from tests.serving.http.shared.conftest import RedisServer, shared
from tests.writing.journal.test_contract import *  # noqa: F403  # the contract holds here, too

pytestmark = [pytest.mark.anyio, pytest.mark.team]


@pytest.fixture
async def journal(redis: RedisServer) -> AsyncIterator[RedisJournal]:
    async with shared(redis) as state:
        yield state.journal
        assert (state.journal.trouble, state.journal.unreadable) == (None, None)
