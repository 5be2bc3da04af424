"""Requests about one incident: how to read it, advice for a refusal, its keys in the journal."""

from incident_mcp.incidentio.ids import path_id
from incident_mcp.records.record import A
from incident_mcp.settings import KEY_VARIABLES
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.seen import record_key

SHOW = Operation("GET", "/v2/incidents/{incident}", scope="incidents.view")
LIST = Operation("GET", "/v2/incidents", scope="incidents.view")


def access_advice(scope: str) -> dict[int, str]:
    """Return advice, by status, for a refused request about one incident.

    Which role gives access to private incidents is not documented: `global_access` is known only by name.
    """
    return {
        403: f"The key in {KEY_VARIABLES['incidentio']} may not do this: it needs the scope {scope}. For a private"
        " incident it also needs access to private incidents (a role like global_access).",
        404: "It does not exist, or this key may not see it: a private incident is hidden from a key without access to"
        " private incidents (a role like global_access).",
    }


async def read_one(api: Api, incident: str, response: type[A]) -> A:
    """Read an incident by any accepted reference.

    Raises:
        InputError: The text is not a reference.
        RefusedError: The incident does not exist, or the key may not read it.
    """
    request = SHOW.request(at={"incident": path_id(incident)}, advice=access_advice(SHOW.scope))
    return await api.get(request, response)


def journal_keys(api: Api, *incidents: str | None) -> tuple[str, ...]:
    """Return an incident's keys in the journal: one for its id, one for the number of its reference."""
    return tuple(record_key(api.service, "incident", name.upper().removeprefix("INC-")) for name in incidents if name)
