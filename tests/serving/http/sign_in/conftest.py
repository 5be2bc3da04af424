import logging
import re
from collections.abc import Generator

import pytest

from tests.serving.http.identity_provider import IdentityProvider, identity_provider


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def provider() -> Generator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_of_a_token_is_logged(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
    assert not [each for each in records if re.search(r"imcp_[\w-]{20}|eyJ[\w-]{10}", each.getMessage())]
