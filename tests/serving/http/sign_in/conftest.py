import logging
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
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog
