"""Publishing an incident on a status page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from incident_mcp.errors import ServiceError
from incident_mcp.incidentio.names.finding import MAX_CANDIDATES, find
from incident_mcp.incidentio.status_pages.pages import (
    PAGES,
    Components,
    NewStatus,
    StatusPage,
    new_statuses,
    statuses_body,
)
from incident_mcp.incidentio.status_pages.preview import (
    ADVICE,
    PublishPreview,
    question,
    subscribers_told,
)
from incident_mcp.incidentio.status_pages.published import (
    Page,
    PublicIncident,
    PublicIncidentResponse,
    describe_components,
    read_published,
    unresolved,
)
from incident_mcp.incidentio.toolsets import STATUS_PAGES
from incident_mcp.records.record import Instant, Json, Record, quoted
from incident_mcp.tooling.dependencies import IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import WriteResult

CREATE = Operation("POST", "/v2/status_page_incidents", scope="status_pages.publish_updates")
PUBLISH_SECONDS = 600
"""For how long an identical call returns the earlier incident."""

Status = Literal["investigating", "identified", "monitoring", "resolved"]
Message = Annotated[str, Field(min_length=1, max_length=4_096, description="Markdown.")]
Notify = Annotated[bool, Field(description="Also message subscribers.")]


class PublishedIncident(Record):
    """An incident that was published."""

    id: str
    page: str | None = None
    name: str | None = None
    status: str | None = None
    components: list[str] | None = None
    published_at: Instant | None = None


async def incidentio_publish_incident(
    api: IncidentioApi,
    writer: WriterDep,
    page: Page,
    name: Annotated[str, Field(min_length=1, max_length=200, description="Title.")],
    message: Message,
    status: Annotated[Status, Field(description="For customers.")],
    notify_subscribers: Notify,
    components: Components = None,
    idempotency_key: IdempotencyKey = None,
    confirm: ConfirmCode = None,
) -> WriteResult[PublishedIncident]:
    """Publish an incident on a status page, where customers read it.

    Two calls: the first shows what would be published and returns a code for `confirm`.
    """
    found = await find(api, PAGES, page)
    statuses = await new_statuses(api, found, components)
    body: Json = {
        "status_page_id": found.id,
        "name": name,
        "message": message,
        "incident_status": status,
        "notify_subscribers": notify_subscribers,
        **statuses_body(statuses),
    }
    plan = WritePlan(
        tool="incidentio_publish_incident",
        request=CREATE.request(body=body, advice=ADVICE),
        response_type=PublicIncidentResponse,
        record_type=PublishedIncident,
        to_record=lambda response: _record(response.status_page_incident, found, statuses),
        repeat=Repeat.KEYED,
        destructive=True,
        remember_seconds=PUBLISH_SECONDS,
        caller_key=idempotency_key,
        created_at=lambda response: response.status_page_incident.made_at,
        matches_request=lambda response: _matches(response.status_page_incident, body),
    )
    preview = _Publication(api, found, body, statuses).preview
    return await writer.perform_previewed(api, plan, confirm=confirm, preview=preview, question=question)


@dataclass(frozen=True)
class _Publication:
    """An incident to publish."""

    api: Api
    page: StatusPage
    body: Json
    statuses: Sequence[NewStatus]

    async def preview(self) -> PublishPreview:
        """Return what would be published, and what the page shows already."""
        others, problem = await self._read_others()
        listed = [_describe(row) for row in others]
        more = [f"and {len(listed) - MAX_CANDIDATES} more"] * (len(listed) > MAX_CANDIDATES)
        warning = "The page has unresolved incidents: incidentio_publish_update adds to one." if others else None
        return PublishPreview(
            shown=None if problem else "\n".join((self.page.name, self.page.public, *sorted(listed))),
            page=self.page.name,
            public=self.page.public,
            incident=self.body["name"],
            status=self.body["incident_status"],
            message=self.body["message"],
            components=[row.text for row in self.statuses] or None,
            subscribers=subscribers_told(notify=self.body["notify_subscribers"]),
            unresolved=[*listed[:MAX_CANDIDATES], *more] or None,
            warning=warning,
            problems=[problem] if problem else None,
        )

    async def _read_others(self) -> tuple[list[PublicIncident], str | None]:
        """Return the page's unresolved incidents, and why not all could be read."""
        try:
            rows = await read_published(self.api, self.page.id)
        except ServiceError as failure:
            return [], f"What the page shows now could not be read: {failure}"
        whole = rows.complete and not rows.unreadable
        return unresolved(rows), None if whole else "Not all incidents of the page were read."


def _describe(row: PublicIncident) -> str:
    return f"{quoted(row.name or 'without name', 80)} ({row.id}, {row.status or 'status unknown'})"


def _record(incident: PublicIncident, page: StatusPage, statuses: Sequence[NewStatus]) -> PublishedIncident:
    names = {row.component.id: row.component.name for row in statuses}
    return PublishedIncident(
        id=incident.id,
        page=page.name if incident.page in (None, page.id) else incident.page,
        name=incident.name,
        status=incident.status,
        components=describe_components(incident.components, names) or None,
        published_at=incident.published_at,
    )


def _matches(incident: PublicIncident, body: Json) -> bool:
    """Return whether an incident is the requested one, where the response contains its fields."""
    first = incident.newest_first[-1].message if incident.updates else None
    same_text = first is None or first.split() == body["message"].split()
    same_page = incident.page in (None, body["status_page_id"])
    return same_page and same_text and incident.name in (None, body["name"])


TOOLS = [
    write_tool(
        incidentio_publish_incident,
        "Publish an incident",
        destructive=True,
        toolset=STATUS_PAGES,
        preview=PublishPreview,
        keywords="status page statuspage public tell customers announce outage communicate",
    )
]
