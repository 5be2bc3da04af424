"""Independent reads in parallel: one that fails leaves the others."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import anyio

from incident_mcp.errors import IncidentMcpError, NoAnswerError

MAX_PARALLEL = 16
T = TypeVar("T")
K = TypeVar("K")


async def read_each(
    reads: Mapping[K, Callable[[], Awaitable[T]]], *, seconds: float | None = None
) -> dict[K, T | IncidentMcpError]:
    """Read parts, up to 16 at once, and return the value or the failure of each, in their order.

    Args:
        reads: Reads a part, by its name.
        seconds: After how long a part that was not read counts as a failure.
    """
    found: dict[K, T | IncidentMcpError] = {}
    parallel = anyio.Semaphore(MAX_PARALLEL)

    async def read(key: K, load: Callable[[], Awaitable[T]]) -> None:
        async with parallel:
            try:
                with anyio.fail_after(seconds):
                    found[key] = await load()
            except IncidentMcpError as failure:
                found[key] = failure
            except TimeoutError:
                found[key] = NoAnswerError(f"it was not read within {seconds:g} s")

    async with anyio.create_task_group() as tasks:
        for key, load in reads.items():
            tasks.start_soon(read, key, load)
    return {key: found[key] for key in reads}
