"""Resolving an alert."""

from pydantic import AliasPath, Field

from incident_mcp.incidentio.alerts.access import SHOW, AlertRef, alert_advice, alert_id, alert_keys, describe_alert
from incident_mcp.incidentio.toolsets import ALERTS
from incident_mcp.records.record import Instant, Record
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

RESOLVE = Operation("POST", "/v2/alerts/{alert}/actions/resolve", scope="alerts.resolve")
_EXTERNAL = "Alerts of some sources, such as Datadog, can only be resolved there: incidentio_get_alert has the link."


class ResolvedAlert(Record):
    """The state of an alert after resolving it."""

    id: str = Field(validation_alias=AliasPath("alert", "id"))
    title: str | None = Field(default=None, validation_alias=AliasPath("alert", "title"))
    status: str | None = Field(default=None, validation_alias=AliasPath("alert", "status"))
    resolved_at: Instant | None = Field(default=None, validation_alias=AliasPath("alert", "resolved_at"))


async def incidentio_resolve_alert(
    api: IncidentioApi, writer: WriterDep, alert: AlertRef, dry_run: DryRun = False
) -> WriteResult[ResolvedAlert]:
    """Resolve a firing alert. It cannot be undone, and some sources resolve their alerts only themselves."""
    number = await alert_id(api, alert)
    label = await describe_alert(api, writer, number, dry_run=dry_run, destructive=True)
    advice = alert_advice(RESOLVE.scope) | {422: _EXTERNAL}

    async def find_resolved(_: Baseline) -> ResolvedAlert | None:
        found = await _read(api, number)
        return found if found.status == "resolved" else None

    plan = WritePlan(
        tool="incidentio_resolve_alert",
        request=RESOLVE.request(at={"alert": number}, advice=advice),
        response_type=ResolvedAlert,
        record_type=ResolvedAlert,
        to_record=lambda response: response,
        repeat=Repeat.HARMLESS,
        question=f"Resolve alert {label}.",
        destructive=True,
        find_effect=find_resolved,
        targets=alert_keys(api, number),
    )
    return await writer.perform(api, plan, dry_run=dry_run)


async def _read(api: Api, alert: str) -> ResolvedAlert:
    return await api.get(SHOW.request(at={"alert": alert}, advice=alert_advice(SHOW.scope)), ResolvedAlert)


TOOLS = [
    write_tool(
        incidentio_resolve_alert,
        "Resolve an alert",
        destructive=True,
        idempotent=True,
        toolset=ALERTS,
        keywords="alert fixed close done over",
    )
]
