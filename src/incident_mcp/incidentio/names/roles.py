"""Roles by name, and the people who have them."""

from collections.abc import Sequence

from incident_mcp.incidentio.names import people
from incident_mcp.incidentio.names.finding import distinct, find
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.record import Json, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST_ROLES = Operation("GET", "/v2/incident_roles", scope="incident_roles.view")


class Role(Record):
    """A role in incidents."""

    id: str
    name: str
    shortform: str | None = None

    @property
    def other_names(self) -> tuple[str, ...]:
        """What it is called in Slack."""
        return (self.shortform,) if self.shortform else ()


async def _load_roles(api: Api) -> Rows[Role]:
    return await read_unpaged(api, LIST_ROLES.request(), Role)


async def role_assignments(
    api: Api, wanted: dict[str, str] | None, me: str | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Write roles as a body wants them; a cleared one has no assignee."""
    entries = [
        {
            "incident_role_id": await _role_id(api, role),
            "assignee": await people.reference(api, f"roles.{role}", who, me),
        }
        for role, who in (wanted or {}).items()
    ]
    entries += [{"incident_role_id": await _role_id(api, role)} for role in clear]
    return distinct(entries, "incident_role_id", "roles") or None


async def _role_id(api: Api, role: str) -> str:
    return (await find(api, "role", role, _load_roles)).id


async def role_filter(api: Api, wanted: dict[str, list[str]] | None, me: str | None) -> list[tuple[str, str]]:
    """Write who has which role as a list's filter wants it: by user ids."""
    query: list[tuple[str, str]] = []
    for role, whos in (wanted or {}).items():
        key = f"incident_role[{await _role_id(api, role)}][one_of]"
        query += [(key, await people.user_id(api, f"incident_role.{role}", who, me)) for who in whos]
    return query
