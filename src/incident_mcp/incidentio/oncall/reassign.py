"""Reassigning a page that reached the wrong people."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from incident_mcp.incidentio.names.people import People
from incident_mcp.incidentio.oncall.answer import targets_of
from incident_mcp.incidentio.oncall.escalations import (
    Escalation,
    EscalationRef,
    EscalationResponse,
    EscalationRow,
    escalation_id,
    find_escalations,
    read_escalation,
)
from incident_mcp.incidentio.oncall.page import (
    ADVICE,
    CREATE,
    PAGE_SECONDS,
    Anyway,
    Page,
    Path,
    read_recipients,
    with_outcome,
)
from incident_mcp.incidentio.oncall.paged import Paged
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import Baseline, Existing, WritePlan
from incident_mcp.writing.result import WriteResult

REASSIGN = Operation("POST", "/v2/escalations/{escalation}/actions/reassign", scope=CREATE.scope)
ONCE = "A page can be reassigned once: an earlier call may have done it. incidentio_list_escalations shows the newest."
_ADVICE = {**ADVICE, 409: ONCE, 422: ONCE}
_CLOCK_ERROR = 1.0
"""Seconds by which the service's clock, as read from its `Date` header, may be off."""


class ReassignPreview(Paged):
    """Who would be paged instead, and the page that is reassigned."""

    original: EscalationRow


@dataclass(frozen=True)
class _Reassignment:
    """A reassignment, and how its effect is found: the API links the new page to the original nowhere."""

    api: Api
    original: str
    body: Json

    async def read_existing(self, _: float) -> Existing[EscalationResponse]:
        """Return the ids of the newest pages."""
        return Existing(tuple(row.id for row in await find_escalations(self.api, [])))

    async def find(self, baseline: Baseline) -> EscalationResponse | None:
        """Find the page that an earlier attempt created: new, to these recipients, about the same thing."""
        original = await read_escalation(self.api, self.original)
        if self.body["resolve_original"] and original.status != "resolved":
            return None
        for row in await find_escalations(self.api, []):
            if self._is_new(row, baseline) and self._is_alike(row, original):
                return EscalationResponse(escalation=row)
        return None

    def _is_new(self, row: Escalation, baseline: Baseline) -> bool:
        if row.id == self.original or row.id in (baseline.existing_ids or ()) or row.status == "cancelled":
            return False
        made = parse_instant(row.made_at)
        return made is not None and made.timestamp() >= baseline.started_at - _CLOCK_ERROR

    def _is_alike(self, row: Escalation, original: Escalation) -> bool:
        same_path = row.escalation_path_id == self.body.get("escalation_path_id")
        same_title = row.title == self.body.get("title", original.title)
        same_reason = (row.alerts, row.incidents) == (original.alerts, original.incidents)
        return same_path and same_title and same_reason and self._rings(row)

    def _rings(self, row: Escalation) -> bool:
        """Return whether a page certainly rings the requested people: without a path only whom it rang shows that.

        One that rang nobody yet may be somebody else's. The service reassigns a page once, so asking again is safe.
        """
        return "user_ids" not in self.body or (bool(row.rung) and row.rung <= set(self.body["user_ids"]))


async def incidentio_reassign_page(
    api: IncidentioApi,
    settings: AppSettings,
    writer: WriterDep,
    escalation: EscalationRef,
    escalation_path: Path = None,
    users: People | None = None,
    title: Annotated[str | None, Field(description="Default: the original's.")] = None,
    resolve_original: Annotated[bool, Field(description="Stop the original page.")] = True,
    anyway: Anyway = False,
    confirm: ConfirmCode = None,
) -> WriteResult[Page]:
    """Reassign a page (escalation): a new page goes to others, and the original is resolved.

    Two calls: the first shows who would be paged and returns a code for `confirm`. Works once per page.
    """
    number = escalation_id(escalation)
    recipients = await read_recipients(api, escalation_path, users, settings.me)
    body = recipients.body | without_none(title=title) | {"resolve_original": resolve_original}
    reassignment = _Reassignment(api, number, body)
    scope = ", ".join([REASSIGN.scope, *(["escalations.respond"] if resolve_original else [])])
    plan = WritePlan(
        tool="incidentio_reassign_page",
        request=REASSIGN.request(at={"escalation": number}, body=body, scope=scope, advice=_ADVICE),
        response_type=EscalationResponse,
        record_type=Page,
        to_record=lambda response: Page.of(response.escalation),
        repeat=Repeat.NEVER,
        destructive=True,
        confirmed_with=f"anyway={anyway}",
        remember_seconds=PAGE_SECONDS,
        again="reassign the new page",
        find_effect=reassignment.find,
        read_existing=reassignment.read_existing,
        targets=targets_of(api, number),
        created_at=lambda response: response.escalation.made_at,
    )

    async def preview() -> ReassignPreview:
        original = EscalationRow.of(await read_escalation(api, number))
        return ReassignPreview(original=original, **dict(await recipients.preview(api, anyway=anyway)))

    result = await writer.perform_previewed(api, plan, confirm=confirm, preview=preview, question=_question)
    return await with_outcome(api, result)


def _question(shown: ReassignPreview) -> str:
    return f"Reassign the page {quoted(shown.original.title or shown.original.id)} to {shown.whom}."


TOOLS = [
    write_tool(
        incidentio_reassign_page,
        "Reassign a page",
        destructive=True,
        toolset=ONCALL,
        preview=ReassignPreview,
        keywords="wrong team people pass on hand over forward transfer move",
    )
]
