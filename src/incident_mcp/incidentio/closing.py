"""Closing an incident: the API has no operation for it, so the incident moves to a status of category `closed`."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incident_statuses import STATUSES, IncidentStatus, is_closed
from incident_mcp.incidentio.incident_updates import NOTIFIED, IncidentUpdate, plan_update
from incident_mcp.incidentio.incidents.edit import plan_edit
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.incidentio.incidents.seen import Seen
from incident_mcp.incidentio.names.finding import candidates, find
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.records.record import Instant, Record, quoted
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.writing.result import WriteResult


class ClosedIncident(Record):
    """What closing changed."""

    id: str
    reference: str | None = None
    name: str | None = None
    status: str | None = None
    status_category: str | None = None
    update_id: str | None = None
    """The id of the update with the message."""
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
        bool, Field(description="Notify the incident's channel; a message always does.")
    ] = True,
    seen: Seen = None,
    dry_run: DryRun = False,
) -> WriteResult[ClosedIncident]:
    """Close an incident without a post-incident flow.

    "Resolved, pending review" is usually a status of category learning: set that with incidentio_edit_incident.
    """
    closed = await _find_closed_status(api, status)
    tool = "incidentio_close_incident"
    described = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=True)
    question = f"Close incident {described} as {closed.name}"
    if message is not None:
        update = plan_update(
            tool,
            api,
            await incident_name(api, incident),
            ClosedIncident,
            _from_update,
            seen=seen,
            message=message,
            to_incident_status_id=closed.id,
        )
        question += f" and say {quoted(message)}; {NOTIFIED}."
        return await writer.perform(api, replace(update, question=question, destructive=True), dry_run=dry_run)
    fields = {"incident_status_id": closed.id}
    edit = plan_edit(tool, api, incident, fields, ClosedIncident, _from_edit, notify=notify_incident_channel, seen=seen)
    question += "; its channel is notified." if notify_incident_channel else "; its channel is not notified."
    return await writer.perform(api, replace(edit, question=question, destructive=True), dry_run=dry_run)


async def _find_closed_status(api: Api, name: str | None) -> IncidentStatus:
    """Return the account's closed status, or the named one if there are several.

    Raises:
        InputError: There are several and no name was passed, or the named one is not of category `closed`.
    """
    if name is not None:
        status = await find(api, STATUSES, name)
        if not is_closed(status):
            raise InputError(
                f"Status {status.name} is of category {status.category}, not closed: set it with"
                " incidentio_edit_incident, or pass a closed one. Not sent."
            )
        return status
    statuses, _ = await STATUSES.read(api)
    closed = [status for status in statuses if is_closed(status)]
    if len(closed) == 1:
        return closed[0]
    raise InputError(f"Pass status: the account's closed ones are {candidates(closed)}. Not sent.")


TOOLS = [write_tool(incidentio_close_incident, "Close an incident", destructive=True)]
