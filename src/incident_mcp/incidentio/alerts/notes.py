"""Notes on an alert."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.alerts.access import AlertRef, alert_advice, alert_id, alert_keys, describe_alert
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import ALERTS
from incident_mcp.records.record import Instant, Record, parts, quoted
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.notes import NoteFinder
from incident_mcp.writing.plan import UPDATE_SECONDS, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v1/alert_notes", scope="alerts.view")
CREATE = Operation("POST", "/v1/alert_notes", scope="alerts.edit")
MOST_NOTES = 500
"""Notes of an alert that are read."""


def _count(value: object) -> int | None:
    # The links to images are pre-signed, so they are credentials.
    return len(parts({"images": value}, "images")) or None


class AlertNote(Record):
    """A note on an alert."""

    id: str
    content: str | None = None
    creator: Actor = None
    created_at: Instant | None = None
    last_edited_at: Instant | None = None
    images: Annotated[int | None, BeforeValidator(_count)] = None
    """Their number."""
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""

    @property
    def note_id(self) -> str | None:
        """Its id, as all services' notes have it."""
        return self.id

    @property
    def text(self) -> str | None:
        """Its text, as all services' notes have it."""
        return self.content


class AlertNoteResponse(BaseModel):
    """The response envelope of one note."""

    alert_note: AlertNote


async def read_notes(api: Api, alert: str) -> Rows[AlertNote]:
    """Read the notes on an alert, by its id."""
    request = LIST.request([("alert_id", alert)], advice=alert_advice(LIST.scope))
    return await read_rows(api, request, AlertNote, limit=MOST_NOTES)


async def incidentio_add_alert_note(
    api: IncidentioApi,
    writer: WriterDep,
    alert: AlertRef,
    content: Annotated[str, Field(min_length=1, description="Markdown.")],
    dry_run: DryRun = False,
) -> WriteResult[AlertNote]:
    """Add a note to an alert."""
    number = await alert_id(api, alert)
    label = await describe_alert(api, writer, number, dry_run=dry_run)
    return await writer.perform(api, plan_note(api, number, content, label), dry_run=dry_run)


def plan_note(api: Api, alert: str, content: str, label: str) -> WritePlan[AlertNoteResponse, AlertNote]:
    """Plan a new note on an alert; the API accepts no idempotency key for it."""

    async def read() -> tuple[Sequence[AlertNote], bool]:
        notes = await read_notes(api, alert)
        return notes, not notes.complete

    finder = NoteFinder(api, content, read, lambda note: AlertNoteResponse(alert_note=note))
    body = {"alert_id": alert, "content": content}
    return WritePlan(
        tool="incidentio_add_alert_note",
        request=CREATE.request(body=body, advice=alert_advice(CREATE.scope)),
        response_type=AlertNoteResponse,
        record_type=AlertNote,
        to_record=lambda response: response.alert_note,
        repeat=Repeat.NEVER,
        question=f"Add a note to alert {label}: {quoted(content)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=finder.find_created,
        read_existing=finder.read_existing,
        targets=alert_keys(api, alert),
    )


TOOLS = [
    write_tool(
        incidentio_add_alert_note,
        "Add a note to an alert",
        toolset=ALERTS,
        keywords="write down comment remark leave message",
    )
]
