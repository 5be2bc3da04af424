"""Rows that have a name, in lists that are cached for one minute."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from incident_mcp.incidentio.pages import Rows
from incident_mcp.records.record import Record
from incident_mcp.transport.api import Api


class NamedRow(Record):
    """A row that users can refer to by name."""

    id: str
    name: str

    @property
    def other_names(self) -> tuple[str, ...]:
        """Further names that refer to it."""
        return ()


N = TypeVar("N", bound=NamedRow)


@dataclass(frozen=True)
class CachedList(Generic[N]):
    """A list that is read at most once a minute."""

    kind: str
    """What its rows are, as arguments and error messages call them."""
    load: Callable[[Api], Awaitable[Rows[N]]]
    owner_id: str = ""
    """The id of the object that the list belongs to, if there is one list for each."""
    owner: str = ""
    """That object in error messages: ` of custom field Team`."""

    async def read(self, api: Api, *, newer_than: float = -math.inf) -> tuple[Rows[N], float]:
        """Return the list and the `time.monotonic()` at which it was read, which is after `newer_than`."""
        return await api.cached(self.kind + self.owner_id, partial(self.load, api), newer_than=newer_than)

    async def reload(self, api: Api) -> Rows[N]:
        """Read the list now, and cache it."""
        rows = await self.load(api)

        async def loaded() -> Rows[N]:
            return rows

        await api.cached(self.kind + self.owner_id, loaded, newer_than=time.monotonic())
        return rows
