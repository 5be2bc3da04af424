"""Closing an incident: the API has no call for it, it is a move to a status of category `closed`."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incident_updates import IncidentUpdate, plan_update
from incident_mcp.incidentio.incidents.edit import plan_edit
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.incidentio.names.classification import closed_status
from incident_mcp.incidentio.names.incidents import describe_incident, named
from incident_mcp.records.record import Instant, Record, quoted
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.writing.result import WriteResult


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


def _from_edit(incident: Incident) -> ClosedIncident:
    return ClosedIncident.from_dump(incident.dump())


def _from_update(update: IncidentUpdate) -> ClosedIncident:
    return ClosedIncident(
        id=update.incident_id,
        reference=update.reference,
        name=update.name,
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
    message: Annotated[str | None, Field(description="Posted as the closing update.")] = None,
    notify_incident_channel: Annotated[
        bool, Field(description="Tell the incident's channel; a message tells it anyway.")
    ] = True,
    dry_run: DryRun = False,
) -> WriteResult[ClosedIncident]:
    """Close an incident without a post-incident flow.

    "Resolved, pending review" is usually a status of category learning: set that with incidentio_edit_incident.
    """
    closed = await closed_status(api, status)
    tool = "incidentio_close_incident"
    who = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=True)
    question = f"Close incident {who} as {closed.name}"
    if message is not None:
        update = plan_update(
            tool,
            api,
            await named(api, incident),
            ClosedIncident,
            _from_update,
            message=message,
            to_incident_status_id=closed.id,
        )
        question += f" and say {quoted(message)}; its responders and subscribers are notified."
        return await writer.perform(api, replace(update, question=question, destructive=True), dry_run=dry_run)
    fields = {"incident_status_id": closed.id}
    edit = plan_edit(tool, api, incident, fields, ClosedIncident, _from_edit, notify=notify_incident_channel)
    question += "; its channel is notified." if notify_incident_channel else "; its channel is not notified."
    return await writer.perform(api, replace(edit, question=question, destructive=True), dry_run=dry_run)


TOOLS = [write_tool(incidentio_close_incident, "Close an incident", destructive=True)]
