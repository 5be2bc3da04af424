"""Incidents that are related to an incident."""

from pydantic import AliasPath, Field

from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.incidents import incident_name
from incident_mcp.incidentio.pages import read_rows
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.records.record import Listed, Name, Record
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v1/incident_relationships", scope="incidents.view")
MOST = 250
"""Related incidents that are read: a page."""


class RelatedIncident(Record):
    """A related incident."""

    id: str = Field(exclude=True)
    """Of the relationship."""
    number: int | None = Field(default=None, validation_alias=AliasPath("incident", "external_id"), exclude=True)
    incident_id: str | None = Field(default=None, validation_alias=AliasPath("incident", "id"))
    """Only of one without a number."""
    reference: str | None = Field(default=None, validation_alias="INC- and the number")
    name: Name | None = Field(default=None, validation_alias=AliasPath("incident", "name"))


class RelatedIncidents(Listed):
    """Related incidents."""

    related_incidents: list[RelatedIncident]


async def incidentio_list_related(api: IncidentioApi, incident: IncidentRef) -> RelatedIncidents:
    """List the incidents that people linked to an incident as related."""
    query = [("incident_id", (await incident_name(api, incident)).id)]
    request = LIST.request(query, advice=access_advice(LIST.scope))
    rows = await read_rows(api, request, RelatedIncident, limit=MOST)
    related = list(map(_with_reference, rows))
    return RelatedIncidents(related_incidents=related, has_more=not rows.complete, unreadable=rows.unreadable)


def _with_reference(row: RelatedIncident) -> RelatedIncident:
    """Return a row with the reference in place of the id; any tool takes it, whatever the account's prefix is."""
    if row.number is None:
        return row
    return row.model_copy(update={"reference": f"INC-{row.number}", "incident_id": None})


TOOLS = [
    read_tool(
        incidentio_list_related,
        "List related incidents",
        toolset=TIMELINE,
        keywords="linked same cause connected duplicates",
    )
]
