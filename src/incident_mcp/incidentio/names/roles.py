"""Incident roles by name, and the people who have them."""

from collections.abc import Mapping, Sequence

from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names import people
from incident_mcp.incidentio.names.finding import distinct, find
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST_ROLES = Operation("GET", "/v2/incident_roles", scope="incident_roles.view")


class Role(NamedRow):
    """An incident role."""

    shortform: str | None = None
    """Its name in Slack."""

    @property
    def other_names(self) -> tuple[str, ...]:
        """Further names that refer to it."""
        return (self.shortform,) if self.shortform else ()


async def _load_roles(api: Api) -> Rows[Role]:
    return await read_unpaged(api, LIST_ROLES.request(), Role)


_ROLES = CachedList("role", _load_roles)


async def role_assignments(
    api: Api, roles: Mapping[str, str] | None, me: str | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Build the role assignments of a request body; a role to clear has no assignee.

    Args:
        api: incident.io.
        roles: Person by role.
        me: The email address that `me` stands for.
        clear: Roles to clear.
    """
    entries = [
        {
            "incident_role_id": await _role_id(api, role),
            "assignee": await people.reference(api, f"roles.{role}", person, me),
        }
        for role, person in (roles or {}).items()
    ]
    entries += [{"incident_role_id": await _role_id(api, role)} for role in clear]
    return distinct(entries, "incident_role_id", "roles") or None


async def _role_id(api: Api, role: str) -> str:
    return (await find(api, _ROLES, role)).id


async def role_filter(
    api: Api, parameter: str, roles: Mapping[str, Sequence[str]], me: str | None
) -> list[tuple[str, str]]:
    """Return the query parameters of a filter by role: `parameter` with the role's id, and the id of each user."""
    query: list[tuple[str, str]] = []
    for role, names in roles.items():
        key = parameter.format(id=await _role_id(api, role))
        query += [(key, await people.user_id(api, f"incident_role.{role}", name, me)) for name in names]
    return query
