"""Declaring an incident.io incident from an Ionhour alert, exactly once.

The steps: check whether the alert is already declared, declare the incident, add a note to the alert, acknowledge the
alert. Each of them is safe to repeat: the declaration's key is derived from the alert's public ID, the note is looked
up before it is sent, and an acknowledgement is idempotent. So another call completes a call that was interrupted.
"""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError, RefusedError
from incident_mcp.incidentio.incident_types import TYPES
from incident_mcp.incidentio.incidents.create import Checked, Despite, check_duplicates, plan_declaration
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.list import Mode
from incident_mcp.incidentio.incidents.records import Incident, IncidentResponse
from incident_mcp.incidentio.incidents.seen import remember_incident
from incident_mcp.incidentio.names.finding import candidates, find, find_optional, id_of, name_of
from incident_mcp.incidentio.severities import SEVERITIES, Severity
from incident_mcp.ionhour.incidents.access import read_full_incident as read_full_alert
from incident_mcp.ionhour.incidents.acknowledge import plan_acknowledgement
from incident_mcp.ionhour.incidents.records import FullIncident as FullAlert
from incident_mcp.ionhour.incidents.records import severity_rank
from incident_mcp.ionhour.notes import Note, identical_notes, plan_deletion, plan_note, read_notes
from incident_mcp.ionhour.records import IncidentId
from incident_mcp.records.record import Json, Record, shorten, without_none
from incident_mcp.response.links import alert_id, declared_since, note_text, references_in, summary_line
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, IonhourApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.journal.entry import fingerprint
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import Planned, WriteResult

TOOL = "declare_from_ionhour"
MAX_NAME, MAX_SUMMARY = 500, 10_000
"""Characters of the alert's title and of its summary that the incident takes over."""


class DeclaredIncident(Record):
    """The alert's incident."""

    id: str
    reference: str | None = None
    name: str | None = None
    status: str | None = None
    severity: str | None = None
    permalink: str | None = None


class Step(Record):
    """One step and its outcome."""

    step: str
    outcome: str
    """done, done before, not asked for, not needed, would be done, or failed."""
    why: str | None = None
    would_send: Json | None = None
    """For a note or an acknowledgement: the request that a call without dry_run sends."""


class Declaration(Record):
    """The incident and the outcome of each step."""

    incident: DeclaredIncident | None = None
    ionhour_incident: int
    severity_by: str | None = None
    """How the severity was chosen."""
    steps: list[Step]
    dry_run: bool | None = None


@dataclass(frozen=True)
class _Call:
    """The services of one call, and the steps that it requests after the declaration."""

    writer: Writer
    incidentio: Api
    ionhour: Api
    requested: dict[str, bool]
    dry_run: bool


@dataclass(frozen=True)
class _Fields:
    """The arguments that describe the incident."""

    name: str | None
    severity: str | None
    summary: str | None
    incident_type: str | None
    visibility: str
    mode: str
    despite: list[str]


@dataclass(frozen=True)
class _State:
    """An alert, its incident if it is already declared, and otherwise the declaration to send."""

    alert: FullAlert
    incident: DeclaredIncident | None = None
    known_by: str | None = None
    has_note: bool = False
    severity_by: str | None = None
    declaration: WritePlan[IncidentResponse, Incident] | None = None
    checked: Checked = field(default_factory=Checked)

    @property
    def resolved(self) -> bool:
        return self.alert.state == "RESOLVED"


async def declare_from_ionhour(
    incidentio: IncidentioApi,
    ionhour: IonhourApi,
    writer: WriterDep,
    ionhour_incident_id: IncidentId,
    name: Annotated[str | None, Field(description="Default: the alert's title.")] = None,
    severity: Annotated[str | None, Field(description="Name or ID. Default: by rank from P1 to P4.")] = None,
    summary: Annotated[str | None, Field(description="Default: the alert's facts.")] = None,
    incident_type: Annotated[str | None, Field(description="Name or ID. Default: the account's.")] = None,
    visibility: Annotated[Literal["public", "private"], Field(description="Who may see it.")] = "public",
    mode: Annotated[Mode, Field(description="A resolved alert requires retrospective.")] = "standard",
    acknowledge: Annotated[bool, Field(description="Also acknowledge the alert.")] = False,
    note: Annotated[bool, Field(description="Add a note with the reference to the alert.")] = True,
    despite: Despite = None,
    dry_run: DryRun = False,
) -> WriteResult[Declaration]:
    """Declare an incident.io incident from an Ionhour alert, exactly once, even across calls and machines.

    If the alert is already declared, returns that incident and completes the note and the acknowledgement.
    """
    call = _Call(writer, incidentio, ionhour, {"note": note, "acknowledge": acknowledge}, dry_run)
    fields = _Fields(name, severity, summary, incident_type, visibility, mode, despite or [])
    async with nullcontext() if dry_run else writer.declaration_lock(incidentio):
        state = await _find_incident(call, ionhour_incident_id)
        if state.incident is None:
            state = await _plan(call, state, fields)
        if not dry_run:
            await _confirm(call, state)
        declared = await writer.perform(incidentio, state.declaration, dry_run=dry_run) if state.declaration else None
    await remember_incident(incidentio, declared.record if declared else None)
    return await _follow_up(call, state, declared)


async def _find_incident(call: _Call, number: int) -> _State:
    """Read an alert and find its incident by the alert's notes, else by the summaries of incidents since it began."""
    alert = await read_full_alert(call.ionhour, number)
    if not alert.public_id:
        raise InputError(f"Ionhour alert {alert.id} has no public ID, which its declaration requires. Not sent.")
    notes = (await read_notes(call.ionhour, alert.id)).notes
    if references := references_in(note.body for note in notes):
        found = await _read_noted(call.incidentio, references[-1], alert.id)
        return _State(alert, DeclaredIncident.from_dump(found.dump()), "the alert's note", has_note=True)
    # The note may never have been written, or be deleted; the incident's summary still names the alert.
    if row := (await declared_since(call.incidentio, alert.started_at)).find(alert_id(alert)):
        return _State(alert, DeclaredIncident.from_dump(row.dump()), "the incident's summary")
    return _State(alert)


async def _read_noted(api: Api, reference: str, number: int) -> Incident:
    try:
        return await read_incident(api, reference)
    except RefusedError as failure:
        advice = f"A note says that Ionhour alert {number} is declared as {reference}: ask the user to check it."
        raise failure.with_advice(advice) from None


async def _plan(call: _Call, state: _State, fields: _Fields) -> _State:
    """Plan the declaration, unless an identical one was made moments ago.

    Raises:
        InputError: The alert cannot be declared with these arguments, or the outage is already declared.
    """
    api, alert = call.incidentio, state.alert
    if state.resolved and fields.mode != "retrospective":
        raise InputError(f"Ionhour alert {alert.id} is resolved: only mode=retrospective records it. Not sent.")
    severity, severity_by = await _severity(api, alert, fields.severity)
    body = without_none(
        name=fields.name or shorten(alert.title or "", MAX_NAME) or f"Ionhour incident {alert.id}",
        summary=f"{fields.summary or _summary(alert)}\n\n{summary_line(alert)}",
        visibility=fields.visibility,
        mode=fields.mode,
        severity_id=id_of(severity),
        incident_type_id=id_of(await find_optional(api, TYPES, fields.incident_type)),
    )
    plan = plan_declaration(TOOL, api, body, name_of(severity), despite=fields.despite)
    plan = replace(plan, fixed_key=f"ionhour-{alert.public_id}", distinguished_by=None)
    checked = await check_duplicates(api, call.writer, plan, fields.despite)
    if checked.repeated is not None and checked.repeated.record is not None:
        incident = DeclaredIncident.from_dump(checked.repeated.record.dump())
        return replace(state, incident=incident, known_by="the incident's summary", severity_by=severity_by)
    return replace(state, declaration=plan, checked=checked, severity_by=severity_by)


async def _severity(api: Api, alert: FullAlert, requested: str | None) -> tuple[Severity | None, str]:
    """Return a severity and how it was chosen: as requested, or P1 to P4 mapped by rank to the account's severities."""
    if requested is not None:
        return await find(api, SEVERITIES, requested), "as asked for"
    scale, _ = await SEVERITIES.read(api)
    rank = severity_rank(alert.severity)
    if not scale or rank is None:
        raise InputError(
            f"The alert's severity {alert.severity!r} is not one of P1 to P4: pass severity, one of"
            f" {candidates(scale)}. Not sent."
        )
    place = round((4 - rank) / 3 * (len(scale) - 1))
    return scale[place], f"{alert.severity}, by rank: {place + 1} of {len(scale)}, {len(scale)} being the most severe"


def _summary(alert: FullAlert) -> str:
    facts = {
        "Project": alert.project,
        "Check": alert.check,
        "Dependency": alert.dependency_name,
        "Reason": alert.reason,
        "Since": alert.started_at,
        "Last success": alert.last_success_at,
        "Recovered": alert.recovered_at,
    }
    lines = [alert.title or f"Ionhour incident {alert.id}"]
    lines += [f"{label}: {value}" for label, value in facts.items() if value]
    lines = [shorten(line, MAX_NAME) for line in lines]
    if alert.summary:
        lines.append(shorten(alert.summary, MAX_SUMMARY, "… [cut: Ionhour has the rest]"))
    return "\n".join(lines)


async def _confirm(call: _Call, state: _State) -> None:
    """Ask for confirmation of all writes in one question."""
    question = _question(call, state)
    if question is None:
        return
    body = state.declaration.request.body if state.declaration else None
    key = fingerprint(account_of(call.incidentio), TOOL, state.alert.public_id, body, call.requested, question)
    if await call.writer.confirm(question, key):
        call.incidentio.renew()
        call.ionhour.renew()


def _question(call: _Call, state: _State) -> str | None:
    """Return the question that confirms all writes, None if there are none."""
    alert = state.alert
    parts = [state.declaration.question.removesuffix(".")] if state.declaration else []
    if _skipped(call, state, "note") is None:
        label = f'{alert.id} "{shorten(alert.title or "", 100)}"'
        parts.append(f"add its reference as a note to Ionhour alert {label}")
    if _skipped(call, state, "acknowledge") is None:
        parts.append(f"acknowledge Ionhour alert {alert.id}, which stops it from paging further people")
    if parts and (incident := state.incident):
        parts[0] = f"For {incident.reference or incident.id}, which is already declared, {parts[0]}"
    return "; ".join(parts) + "." if parts else None


async def _follow_up(call: _Call, state: _State, declared: WriteResult[Incident] | None) -> WriteResult[Declaration]:
    """Perform the steps after the declaration; a failed step neither hides nor undoes the earlier ones."""
    first, incident = _declare_step(state, declared)
    steps = [first, *[await _run_step(call, state, incident, step) for step in ("note", "acknowledge")]]
    declaration = Declaration(
        incident=incident,
        ionhour_incident=state.alert.id,
        severity_by=state.severity_by,
        steps=steps,
        dry_run=call.dry_run or None,
    )
    note = None
    if call.dry_run:
        note = "Nothing was written."
    elif any(step.outcome == "failed" for step in steps):
        note = "Call again with the same arguments to finish; nothing is done twice."
    return state.checked.added_to(WriteResult(declaration, declared.would_send if declared else None, note=note))


_WOULD = "would be done"


def _declare_step(state: _State, declared: WriteResult[Incident] | None) -> tuple[Step, DeclaredIncident | None]:
    if declared is None:
        return Step(step="declare", outcome="done before", why=f"known by {state.known_by}"), state.incident
    if declared.record is None:
        return Step(step="declare", outcome=_WOULD), None
    outcome = "done before" if declared.repeated else "done"
    return Step(step="declare", outcome=outcome), DeclaredIncident.from_dump(declared.record.dump())


def _skipped(call: _Call, state: _State, step: str) -> Step | None:
    """Return the record of a step that is not requested or not needed, None for one to perform."""
    if not call.requested[step]:
        return Step(step=step, outcome="not asked for")
    if state.has_note if step == "note" else state.alert.acknowledged_at is not None:
        return Step(step=step, outcome="done before")
    if step == "acknowledge" and state.resolved:
        return Step(step=step, outcome="not needed", why="The alert is resolved.")
    return None


async def _run_step(call: _Call, state: _State, incident: DeclaredIncident | None, step: str) -> Step:
    """Perform a step if it is requested and needed, and return its record."""
    if skipped := _skipped(call, state, step):
        return skipped
    plan: WritePlan[Any, Any]
    if step == "acknowledge":
        plan = plan_acknowledgement(TOOL, call.ionhour, state.alert.id)
    elif incident is not None and incident.reference is None:
        why = "incident.io did not return the incident's reference, which the note must contain."
        return Step(step=step, outcome="failed", why=why)
    else:
        plan = _plan_note(call.ionhour, state.alert.id, incident)
    if call.dry_run:
        request = plan.request
        planned = Planned(call.ionhour.service.name, request.method, request.path, request.body)
        return Step(step=step, outcome=_WOULD, would_send=planned.dump())
    try:
        result = await call.writer.perform(call.ionhour, plan, dry_run=False)
    except IncidentMcpError as failure:
        return Step(step=step, outcome="failed", why=str(failure))
    if isinstance(result.record, Note) and result.record.id is not None:
        # A duplicate is harmless, so the step succeeds even if it stays.
        with suppress(IncidentMcpError):
            await _delete_duplicate(call, state.alert.id, result.record.id, plan)
    return Step(step=step, outcome="done")


def _plan_note(api: Api, number: int, incident: DeclaredIncident | None) -> WritePlan[Note, Note]:
    """Plan the note that links the alert; an identical note of any author and age counts as this one."""
    if incident is None:
        body = note_text("(its reference)", "(its link)")
    else:
        body = note_text(incident.reference or incident.id, incident.permalink)

    async def find_note(_: Baseline) -> Note | None:
        found, more = await identical_notes(api, number, body)
        if not found and more:
            raise NoAnswerError(
                f"{api.service.name} returned only one page of the notes: it is unknown whether the note exists."
            )
        return found[0] if found else None

    return replace(
        plan_note(TOOL, api, number, body), find_effect=find_note, read_existing=None, accept_any_effect=True
    )


async def _delete_duplicate(call: _Call, number: int, note_id: int, plan: WritePlan[Any, Any]) -> None:
    """Delete this note if there is an older one with the same text, which another machine added concurrently."""
    found, _ = await identical_notes(call.ionhour, number, (plan.request.body or {})["body"])
    ids = [note.id for note in found if note.id is not None]
    if note_id in ids and min(ids) < note_id:
        # The confirmation of the note covers this.
        deletion = replace(plan_deletion(TOOL, call.ionhour, number, note_id), destructive=False)
        await call.writer.perform(call.ionhour, deletion, dry_run=False)


TOOLS = [write_tool(declare_from_ionhour, "Declare an incident from an Ionhour alert", idempotent=True)]
