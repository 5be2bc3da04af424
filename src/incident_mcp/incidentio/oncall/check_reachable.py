"""Checking whether people can be reached."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.names.people import People, user_id
from incident_mcp.incidentio.oncall.entries import with_next
from incident_mcp.incidentio.oncall.paged import path_paged, users_on
from incident_mcp.incidentio.oncall.paths import PATHS
from incident_mcp.incidentio.oncall.reachability import Reachability, reachability_of
from incident_mcp.incidentio.oncall.schedules import SCHEDULES, read_schedule
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import User
from incident_mcp.records.record import Listed
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api


class Reachable(Listed):
    """Whether people can be reached."""

    people: list[Reachability]
    note: str | None = None

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result."""
        return 120 * max(rows, 25)


async def incidentio_check_reachable(
    api: IncidentioApi,
    settings: AppSettings,
    users: People | None = None,
    escalation_path: Annotated[str | None, Field(description="Everybody it rings now.")] = None,
    schedule: Annotated[str | None, Field(description="Everybody on call now and next.")] = None,
) -> Reachable:
    """Check whether people can be reached by a page: active, on-call seat, paging not paused, a method set up."""
    if not any((users, escalation_path, schedule)):
        raise InputError("Pass users, escalation_path or schedule.")
    people = [await _named(api, user, settings.me) for user in users or ()]
    people += [] if schedule is None else await _on_schedule(api, schedule)
    found = await reachability_of(api, people)
    if escalation_path is None:
        return Reachable(people=found, note=None if found else _NOBODY)
    resolved = await path_paged(api, await find(api, PATHS, escalation_path))
    both = {person.id: person for person in (*found, *resolved.people)}
    return Reachable(people=list(both.values()), note=resolved.paged.warning)


_NOBODY = "Nobody is on call: pages reach nobody."


async def _named(api: Api, user: str, me: str | None) -> User:
    return User(id=await user_id(api, "users", user, me))


async def _on_schedule(api: Api, schedule: str) -> Sequence[User]:
    row = await with_next(api, await read_schedule(api, (await find(api, SCHEDULES, schedule)).id))
    return users_on([*(row.current_shifts or ()), *row.next_shifts])


TOOLS = [
    read_tool(
        incidentio_check_reachable,
        "Check who can be reached",
        toolset=ONCALL,
        keywords="holiday away paused muted available phone reach her him",
    )
]
