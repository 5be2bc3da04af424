"""Links between alerts and incidents."""

from typing import Annotated, Self

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.incidentio.access import journal_keys
from incident_mcp.incidentio.alerts.access import (
    MAX_PAGE_SIZE,
    AlertRef,
    alert_advice,
    alert_id,
    alert_keys,
    describe_alert,
)
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incident_statuses import SlimCategory
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.incidentio.pages import After, Limit, read_rows
from incident_mcp.incidentio.toolsets import ALERTS
from incident_mcp.records.record import Instant, Listed, Name, Record
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v2/incident_alerts", scope="alerts.view", page_size=MAX_PAGE_SIZE)
ATTACH = Operation("POST", "/v2/incident_alerts", scope="alerts.attach_to_incident", retries_conflict=True)
_SCOPES = f"{ATTACH.scope}, and the one to manage incident alerts"
_ADVICE = {
    404: "The alert or the incident does not exist, or this key may not see it: private ones are hidden from a key"
    " without access to them (a role like global_access).",
    409: "Another operation keeps the incident locked: call again in some seconds.",
    422: "If somebody marked the alert as unrelated to this incident, re_relate=true overrides that decision. A private"
    " alert can only be attached to a private incident.",
}


class AlertLink(Record):
    """A link between an alert and an incident."""

    id: str
    alert_id: str | None = Field(default=None, validation_alias=AliasPath("alert", "id"))
    title: Name | None = Field(default=None, validation_alias=AliasPath("alert", "title"))
    alert_status: str | None = Field(default=None, validation_alias=AliasPath("alert", "status"))
    alert_created_at: Instant | None = Field(default=None, validation_alias=AliasPath("alert", "created_at"))
    reference: str | None = Field(default=None, validation_alias=AliasPath("incident", "reference"))
    """Omitted, like name and category, in a list of one incident's links."""
    name: Name | None = Field(default=None, validation_alias=AliasPath("incident", "name"))
    status_category: SlimCategory | None = Field(
        default=None, validation_alias=AliasPath("incident", "status_category")
    )


_OF_ONE_INCIDENT: dict[str, None] = dict.fromkeys(("reference", "name", "status_category"))


class AlertLinks(Listed):
    """A list of links."""

    MARK = "incidentio_get_alert and incidentio_get_incident show both in full."
    incident_alerts: list[AlertLink]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.incident_alerts[:rows]
        if not shown:
            return None
        return self.model_copy(update={"incident_alerts": shown, "has_more": True, "after": shown[-1].id})


class AlertLinkResponse(BaseModel):
    """The response envelope of one link."""

    incident_alert: AlertLink


async def incidentio_list_alert_links(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="INC-123, 123, ID or link.")] = None,
    alert: Annotated[str | None, Field(description="ID, link, deduplication key or title.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> AlertLinks:
    """List which alerts are attached to which incidents; pass an incident, an alert or neither."""
    api.allow(limit)
    query: list[tuple[str, str]] = []
    if incident is not None:
        query.append(("incident_id", (await incident_name(api, incident)).id))
    if alert is not None:
        query.append(("alert_id", await alert_id(api, alert)))
    rows = await read_rows(api, LIST.request(query), AlertLink, limit=limit, after=after)
    links = [row.model_copy(update=_OF_ONE_INCIDENT) for row in rows] if incident is not None else rows
    return AlertLinks(incident_alerts=links, **rows.paging)


async def incidentio_attach_alert(
    api: IncidentioApi,
    writer: WriterDep,
    alert: AlertRef,
    incident: IncidentRef,
    re_relate: Annotated[bool, Field(description="Even if marked as unrelated before.")] = False,
    dry_run: DryRun = False,
) -> WriteResult[AlertLink]:
    """Attach an alert to an incident; nothing changes if it is attached already."""
    number = await alert_id(api, alert)
    named = await incident_name(api, incident)
    label = await describe_alert(api, writer, number, dry_run=dry_run)
    described = await describe_incident(api, writer, incident, dry_run=dry_run)
    override = ", even if somebody marked it as unrelated" if re_relate else ""
    body = {"alert_id": number, "incident_id": named.id, "re_relate": re_relate}

    async def find_link(_: Baseline) -> AlertLinkResponse | None:
        return await _find(api, number, named.id)

    plan = WritePlan(
        tool="incidentio_attach_alert",
        request=ATTACH.request(body=body, advice=alert_advice(_SCOPES) | _ADVICE),
        response_type=AlertLinkResponse,
        record_type=AlertLink,
        to_record=lambda response: response.incident_alert,
        repeat=Repeat.HARMLESS,
        question=f"Attach alert {label} to incident {described}{override}.",
        find_effect=find_link,
        targets=alert_keys(api, number) + journal_keys(api, named.id, named.reference),
    )
    return await writer.perform(api, plan, dry_run=dry_run)


async def _find(api: Api, alert: str, incident: str) -> AlertLinkResponse | None:
    """Return the link of an alert to an incident; one that is marked as unrelated is not listed."""
    query = [("alert_id", alert), ("incident_id", incident)]
    rows = await read_rows(api, LIST.request(query), AlertLink, limit=1)
    return AlertLinkResponse(incident_alert=rows[0]) if rows else None


TOOLS = [
    read_tool(
        incidentio_list_alert_links,
        "List links of alerts",
        toolset=ALERTS,
        keywords="which alerts monitors triggered caused behind this incident attached",
    ),
    write_tool(
        incidentio_attach_alert,
        "Attach an alert to an incident",
        idempotent=True,
        toolset=ALERTS,
        keywords="belongs alarm link relate connect",
    ),
]
