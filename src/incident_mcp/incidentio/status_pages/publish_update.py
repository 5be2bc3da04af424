"""Publishing an update of an incident on a status page, which also resolves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.status_pages.pages import (
    PAGES,
    Components,
    NewStatus,
    StatusPage,
    component_names,
    new_statuses,
    statuses_body,
)
from incident_mcp.incidentio.status_pages.preview import (
    ADVICE,
    PublishPreview,
    page_fields,
    question,
    subscribers_told,
)
from incident_mcp.incidentio.status_pages.publish_incident import Message, Notify, Status
from incident_mcp.incidentio.status_pages.published import (
    RESOLVED,
    PublicIncident,
    PublicIncidentRef,
    PublicUpdate,
    describe_components,
    public_incident_id,
    public_incident_keys,
    read_public_incident,
)
from incident_mcp.incidentio.toolsets import STATUS_PAGES
from incident_mcp.records.record import Instant, Json, Record, quoted, without_none
from incident_mcp.tooling.dependencies import IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.notes import NoteFinder
from incident_mcp.writing.plan import UPDATE_SECONDS, WritePlan
from incident_mcp.writing.result import WriteResult

CREATE = Operation("POST", "/v2/status_page_incident_updates", scope="status_pages.publish_updates")


class PublishedUpdate(Record):
    """An update that was published."""

    id: str
    public_incident: str | None = None
    status: str | None = None
    components: list[str] | None = None
    published_at: Instant | None = None


class PublicUpdateResponse(BaseModel):
    """The response envelope of one update."""

    status_page_incident_update: PublicUpdate


async def incidentio_publish_update(
    api: IncidentioApi,
    writer: WriterDep,
    public_incident: PublicIncidentRef,
    message: Message,
    notify_subscribers: Notify,
    status: Annotated[Status | None, Field(description="resolved also makes its components operational.")] = None,
    components: Components = None,
    confirm: ConfirmCode = None,
) -> WriteResult[PublishedUpdate]:
    """Publish an update on a status page's incident, or resolve it.

    Two calls: the first shows what would be published and returns a code for `confirm`.
    """
    number = public_incident_id(public_incident)
    if status == RESOLVED and components:
        raise InputError("Resolving makes all components operational: omit components with status=resolved. Not sent.")
    statuses = await _read_statuses(api, number, components) if components else []
    fields = without_none(incident_status=status) | statuses_body(statuses)
    body: Json = {
        "status_page_incident_id": number,
        "message": message,
        "notify_subscribers": notify_subscribers,
        **fields,
    }
    update = _Update(api, number, body, statuses)
    finder = NoteFinder(api, message, update.read, _to_response, kind="update", is_same=update.has_fields)
    plan = WritePlan(
        tool="incidentio_publish_update",
        request=CREATE.request(body=body, advice=ADVICE),
        response_type=PublicUpdateResponse,
        record_type=PublishedUpdate,
        to_record=lambda response: _record(response.status_page_incident_update, statuses),
        repeat=Repeat.NEVER,
        destructive=True,
        remember_seconds=UPDATE_SECONDS,
        find_effect=finder.find_created,
        read_existing=finder.read_existing,
        targets=public_incident_keys(api, number),
        created_at=lambda response: response.status_page_incident_update.made_at,
    )
    return await writer.perform_previewed(api, plan, confirm=confirm, preview=update.preview, question=question)


async def _read_statuses(api: Api, incident: str, components: Components) -> list[NewStatus]:
    found = await read_public_incident(api, incident)
    if found.page is None:
        raise InputError(
            "components: the service does not say which page the incident is on, so they cannot be found. Not sent."
        )
    return await new_statuses(api, await find(api, PAGES, found.page), components)


@dataclass(frozen=True)
class _Update:
    """An update to publish, and what is published already: the API has no idempotency key for it."""

    api: Api
    incident: str
    body: Json
    statuses: Sequence[NewStatus]

    async def read(self) -> tuple[list[PublicUpdate], bool]:
        """Return the incident's updates, and whether there are some that could not be read.

        Raises:
            NoAnswerError: None of them could be read.
        """
        found = await read_public_incident(self.api, self.incident)
        if found.updates is None:
            raise NoAnswerError("incident.io did not return the incident's updates: this one may be among them.")
        return found.updates, bool(found.unreadable_updates)

    def has_fields(self, update: PublicUpdate) -> bool:
        """Return whether an update sets the requested status and components."""
        same_status = self.body.get("incident_status", update.status) == update.status
        return same_status and all(update.components.get(row.component.id) == row.status for row in self.statuses)

    async def preview(self) -> PublishPreview:
        """Return what would be published."""
        found = await read_public_incident(self.api, self.incident)
        page, problem = await _read_page(self.api, found)
        components, unnamed = await self._components(found)
        unread = "The incident's updates could not be read." if found.updates is None else None
        problems = [text for text in (problem, unnamed, unread) if text]
        where, public = page_fields(page, found.page)
        return PublishPreview(
            shown=None if problems else "\n".join((where, public, *components, *_state(found))),
            page=where,
            public=public,
            incident=f"{quoted(found.name or '')} ({found.id})",
            status=self._describe_status(found),
            message=self.body["message"],
            components=components or None,
            subscribers=subscribers_told(notify=self.body["notify_subscribers"]),
            warning="The incident is resolved already." if found.status == RESOLVED else None,
            problems=problems or None,
        )

    def _describe_status(self, found: PublicIncident) -> str:
        now, new = found.status or "status unknown", self.body.get("incident_status")
        return f"{now}, unchanged" if new in (None, now) else f"{now} -> {new}"

    async def _components(self, found: PublicIncident) -> tuple[list[str], str | None]:
        """Return the components with their new statuses, and why their names could not be read."""
        if self.body.get("incident_status") != RESOLVED or not found.components:
            return [row.text for row in self.statuses], None
        names, problem = await component_names(self.api, found.page or "")
        return describe_components(dict.fromkeys(found.components, "operational"), names), problem


def _state(found: PublicIncident) -> list[str]:
    """Return what changes when somebody else publishes."""
    return [found.status or "", *(update.id for update in found.updates or ())]


async def _read_page(api: Api, found: PublicIncident) -> tuple[StatusPage | None, str | None]:
    """Return the page of an incident, and why it could not be read."""
    try:
        return await find(api, PAGES, found.page or ""), None
    except IncidentMcpError as failure:
        return None, f"The page could not be read: {failure}"


def _to_response(update: PublicUpdate) -> PublicUpdateResponse:
    return PublicUpdateResponse(status_page_incident_update=update)


def _record(update: PublicUpdate, statuses: Sequence[NewStatus]) -> PublishedUpdate:
    names = {row.component.id: row.component.name for row in statuses}
    return PublishedUpdate(
        id=update.id,
        public_incident=update.incident,
        status=update.status,
        components=describe_components(update.components, names) or None,
        published_at=update.published_at,
    )


TOOLS = [
    write_tool(
        incidentio_publish_update,
        "Publish an update",
        destructive=True,
        toolset=STATUS_PAGES,
        preview=PublishPreview,
        keywords="status page statuspage public tell customers resolve fixed over monitoring communicate",
    )
]
