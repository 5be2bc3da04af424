"""Attachments of an incident: links, pull requests, tickets, alerts of other systems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import InputError, NoAnswerError
from incident_mcp.incidentio.access import access_advice, journal_keys
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.records.record import Json, Listed, Name, Record, quoted, without_none
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, Existing, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v1/incident_attachments", scope="attachments.view")
CREATE = Operation("POST", "/v1/incident_attachments", scope="attachments.create")
LINK = "arbitrary_url"
TYPES = (
    "pager_duty_incident",
    "opsgenie_alert",
    "datadog_monitor_alert",
    "github_pull_request",
    "gitlab_merge_request",
    "sentry_issue",
    "jira_issue",
    "jsm_alert",
    "atlassian_statuspage_incident",
    "zendesk_ticket",
    "google_calendar_event",
    "outlook_calendar_event",
    "slack_file",
    "salesforce_case",
    "pylon_issue",
    LINK,
    "statuspage_incident",
)
"""All that the document has but `scrubbed`, which is what is left of a resource that was removed."""
_ADVICE = (
    "A type other than arbitrary_url needs its integration, and a link or ID that exists there. resource_type"
    " arbitrary_url takes any url."
)


class Attachment(Record):
    """An attachment."""

    id: str
    title: Name | None = Field(default=None, validation_alias=AliasPath("resource", "title"))
    resource_type: str | None = Field(default=None, validation_alias=AliasPath("resource", "resource_type"))
    external_id: str | None = Field(default=None, validation_alias=AliasPath("resource", "external_id"))
    """Its id in the other system; omitted if that is the link."""
    permalink: str | None = Field(default=None, validation_alias=AliasPath("resource", "permalink"))

    @property
    def lean(self) -> "Attachment":
        """It without an id that says no more than the link."""
        return self.model_copy(update={"external_id": None}) if self.external_id == self.permalink else self


class AttachmentResponse(BaseModel):
    """The response envelope of one attachment."""

    incident_attachment: Attachment


class Attachments(Listed):
    """Attachments."""

    incident_attachments: list[Attachment]


async def read_attachments(api: Api, incident_id: str) -> Rows[Attachment]:
    """Read an incident's attachments; the incident by its id."""
    request = LIST.request([("incident_id", incident_id)], advice=access_advice(LIST.scope))
    return await read_unpaged(api, request, Attachment)


@dataclass(frozen=True)
class _Attaching:
    """A resource that is to be attached to an incident."""

    api: Api
    incident: str
    resource: Json

    async def read_existing(self, _: float) -> Existing[AttachmentResponse]:
        """Return the ids of the attachments, and the one of this resource."""
        rows = await read_attachments(self.api, self.incident)
        same = next(filter(self._is_same, rows), None)
        return Existing(tuple(row.id for row in rows), same and AttachmentResponse(incident_attachment=same))

    async def find(self, baseline: Baseline) -> AttachmentResponse | None:
        """Find the attachment of this resource.

        Raises:
            NoAnswerError: It is unknown whether an earlier attempt attached it.
        """
        rows = await read_attachments(self.api, self.incident)
        if same := next(filter(self._is_same, rows), None):
            return AttachmentResponse(incident_attachment=same)
        if baseline.existing_ids is not None:
            self._check_doubts(rows, baseline.existing_ids)
        return None

    def _check_doubts(self, rows: Rows[Attachment], known: Sequence[str]) -> None:
        """Raise if one that is new, or that could not be read, may be the one that was sent."""
        kinds = (None, self.resource["resource_type"])
        if alike := next((row for row in rows if row.id not in known and row.resource_type in kinds), None):
            raise NoAnswerError(
                f"There is a new attachment of this type ({alike.id}). It is unknown whether it is this one, because"
                " the service may change links. Check incidentio_list_attachments before you attach it again."
            )
        if rows.unreadable:
            raise NoAnswerError(f"{rows.unreadable} attachments could not be read: it is unknown whether it is there.")

    def _is_same(self, row: Attachment) -> bool:
        if row.resource_type != self.resource["resource_type"]:
            return False
        if "url" in self.resource:
            return _plain(self.resource["url"]) in (_plain(row.permalink), _plain(row.external_id))
        return row.external_id == self.resource["external_id"]


def _plain(link: str | None) -> str | None:
    return None if link is None else link.strip().rstrip("/")


def _resource(url: str | None, resource_type: str | None, external_id: str | None, title: str | None) -> Json:
    """Return the resource of a request.

    Raises:
        InputError: The arguments do not name one resource.
    """
    if (url is None) == (external_id is None):
        raise InputError("Pass either url or external_id. Not sent.")
    kind = (resource_type or (LINK if url else "")).strip().lower()
    if kind not in TYPES:
        raise InputError(f"resource_type: pass one of {', '.join(TYPES)}. Not sent.")
    if kind == LINK and url is None:
        raise InputError("resource_type arbitrary_url takes url, not external_id. Not sent.")
    if kind != LINK and title is not None:
        raise InputError("title is only for resource_type arbitrary_url: others have their own. Not sent.")
    return {"resource_type": kind, **without_none(url=url, external_id=external_id, title=title)}


async def incidentio_list_attachments(api: IncidentioApi, incident: IncidentRef) -> Attachments:
    """List what is attached to an incident: links, pull requests, tickets."""
    rows = await read_attachments(api, (await incident_name(api, incident)).id)
    return Attachments(incident_attachments=[row.lean for row in rows], unreadable=rows.unreadable)


async def incidentio_add_attachment(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    url: Annotated[str | None, Field(description="Link; or external_id.")] = None,
    resource_type: Annotated[
        str | None, Field(description="Default: arbitrary_url. E.g. github_pull_request, jira_issue.")
    ] = None,
    external_id: Annotated[str | None, Field(description="ID in the other system.")] = None,
    title: Annotated[str | None, Field(description="Of an arbitrary_url.")] = None,
    dry_run: DryRun = False,
) -> WriteResult[Attachment]:
    """Attach a link, pull request or ticket to an incident; one that is attached already is not attached again."""
    resource = _resource(url, resource_type, external_id, title)
    named = await incident_name(api, incident)
    described = await describe_incident(api, writer, incident, dry_run=dry_run)
    attaching = _Attaching(api, named.id, resource)
    what = f"{resource['resource_type']} {quoted(url or external_id or '')}"
    plan = WritePlan(
        tool="incidentio_add_attachment",
        request=CREATE.request(
            body={"incident_id": named.id, "resource": resource}, advice=access_advice(CREATE.scope) | {422: _ADVICE}
        ),
        response_type=AttachmentResponse,
        record_type=Attachment,
        to_record=lambda response: response.incident_attachment.lean,
        repeat=Repeat.NEVER,
        question=f"Attach {what} to incident {described}" + (f" as {quoted(title)}." if title else "."),
        remember_seconds=UPDATE_SECONDS,
        find_effect=attaching.find,
        read_existing=attaching.read_existing,
        accept_any_effect=True,
        already="It is attached to this incident already: nothing was sent.",
        targets=journal_keys(api, named.id, named.reference),
    )
    return await writer.perform(api, plan, dry_run=dry_run)


TOOLS = [
    read_tool(
        incidentio_list_attachments,
        "List attachments",
        toolset=TIMELINE,
        keywords="links pull requests tickets dashboards documents files",
    ),
    write_tool(
        incidentio_add_attachment,
        "Attach a link to an incident",
        idempotent=True,
        toolset=TIMELINE,
        keywords="github pull request jira ticket zendesk dashboard url link sentry",
    ),
]
