"""Timeline items: the narrative of an incident, written by hand or promoted from its activity."""

from typing import Annotated

from pydantic import BaseModel, Field

from incident_mcp.incidentio.access import access_advice, journal_keys
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.dates import Moment
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Record, quoted, without_none
from incident_mcp.tooling.dependencies import DryRun, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v2/incident_timeline_items", scope="incidents.view")
CREATE = Operation("POST", "/v2/incident_timeline_items", scope="timeline_items.create")


class TimelineItem(Record):
    """A timeline item."""

    REST = ": the dashboard shows the rest"
    id: str
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    title: str | None = None
    timestamp: Instant | None = None
    description: str | None = None
    creator: Actor = None
    created_at: Instant | None = None
    incident_id: str | None = Field(default=None, exclude=True)
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""
    happened_at: str | None = Field(default=None, validation_alias="timestamp", exclude=True)
    """`timestamp` unrounded."""


class TimelineItemResponse(BaseModel):
    """The response envelope of one item."""

    incident_timeline_item: TimelineItem


async def incidentio_add_timeline_item(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    title: Annotated[str, Field(min_length=1, description="What happened.")],
    timestamp: Moment,
    description: Annotated[str | None, Field(description="Markdown.")] = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> WriteResult[TimelineItem]:
    """Add an item to an incident's timeline, at the time when it happened. Nobody is notified."""
    named = await incident_name(api, incident)
    described = await describe_incident(api, writer, incident, dry_run=dry_run)
    details = f", with the description {quoted(description)}" if description else ""
    body = {"incident_id": named.id, **without_none(title=title, timestamp=timestamp, description=description)}

    def to_record(response: TimelineItemResponse) -> TimelineItem:
        item = response.incident_timeline_item
        same = item.incident_id in (None, named.id)
        return item.model_copy(update={"reference": named.reference if same else None})

    plan = WritePlan(
        tool="incidentio_add_timeline_item",
        request=CREATE.request(body=body, advice=access_advice(CREATE.scope)),
        response_type=TimelineItemResponse,
        record_type=TimelineItem,
        to_record=to_record,
        repeat=Repeat.KEYED,
        question=f"Add to the timeline of incident {described}, at {timestamp}: {quoted(title)}{details}.",
        remember_seconds=UPDATE_SECONDS,
        caller_key=idempotency_key,
        targets=journal_keys(api, named.id, named.reference),
        targets_of=lambda _: journal_keys(api, named.id, named.reference),
        created_at=lambda response: response.incident_timeline_item.made_at,
        matches_request=lambda response: _matches_request(response.incident_timeline_item, body),
    )
    return await writer.perform(api, plan, dry_run=dry_run)


def _matches_request(item: TimelineItem, body: Json) -> bool:
    """Return whether an item is the requested one, where the response contains its fields."""
    same_title = item.title is None or item.title.split() == body["title"].split()
    happened = parse_instant(item.happened_at)
    same_time = happened is None or happened == parse_instant(body["timestamp"])
    return same_title and same_time and item.incident_id in (None, body["incident_id"])


TOOLS = [
    write_tool(
        incidentio_add_timeline_item,
        "Add a timeline item",
        toolset=TIMELINE,
        keywords="log record event happened deploy rolled back rollback note that narrative backdate",
    )
]
