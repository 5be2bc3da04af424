"""Closing an incident: the API has no call for it, it is a move to a status of category `closed`."""

from typing import Annotated

from pydantic import Field

from incident_mcp.deps import DryRun, IncidentioApi, WriterDep
from incident_mcp.http import Repeat
from incident_mcp.incidentio import names
from incident_mcp.incidentio.incident_records import IncidentAnswer
from incident_mcp.incidentio.incident_updates import IncidentUpdate, IncidentUpdateAnswer, update_request
from incident_mcp.incidentio.incidents import IncidentRef, edit_request, incident_id
from incident_mcp.models import Instant, Outcome, Record
from incident_mcp.toolset import write
from incident_mcp.writes import Write


class ClosedIncident(Record):
    """What closing changed."""

    id: str
    reference: str | None = None
    name: str | None = None
    status: str | None = None
    status_category: str | None = None
    update_id: str | None = None
    """Of the update that carried the message."""
    updated_at: Instant | None = None


def _from_edit(answer: IncidentAnswer) -> ClosedIncident:
    return ClosedIncident.model_validate(answer.incident.model_dump())


def _from_update(answer: IncidentUpdateAnswer) -> ClosedIncident:
    update: IncidentUpdate = answer.incident_update
    return ClosedIncident(
        id=update.incident_id,
        status=update.status,
        status_category=update.status_category,
        update_id=update.id,
        updated_at=update.created_at,
    )


async def incidentio_close_incident(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    status: Annotated[str | None, Field(description="Closed status, if the account has several.")] = None,
    message: Annotated[str | None, Field(min_length=1, description="Posted as the closing update.")] = None,
    notify_incident_channel: Annotated[bool, Field(description="Tell the incident's channel.")] = True,
    dry_run: DryRun = False,
) -> Outcome[ClosedIncident]:
    """Close an incident: done, with no post-incident flow.

    "Resolved, to be reviewed" is usually a status of category learning instead: set that with
    incidentio_edit_incident.
    """
    closed = await names.closed_status(api, status)
    if message is not None:
        close = Write(
            tool="incidentio_close_incident",
            request=update_request(await incident_id(api, incident), message=message, to_incident_status_id=closed.id),
            answer=IncidentUpdateAnswer,
            tell=_from_update,
            repeat=Repeat.KEYED,
        )
        return await writer.perform(api, close, dry_run=dry_run)
    edit = Write(
        tool="incidentio_close_incident",
        request=edit_request(incident, {"incident_status_id": closed.id}, notify=notify_incident_channel),
        answer=IncidentAnswer,
        tell=_from_edit,
        repeat=Repeat.NEVER,
    )
    return await writer.perform(api, edit, dry_run=dry_run)


TOOLS = [write(incidentio_close_incident, "Close an incident", destructive=True)]
