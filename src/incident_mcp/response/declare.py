"""An incident.io incident out of an Ionhour alert, exactly once.

The steps: look whether it is declared already, declare, put a note on the alert, acknowledge. Each can be done again
without harm: the declaration's key comes from the alert's public id, the note is looked for before it is written, and
an acknowledgement repeats itself. So a call that was cut anywhere is finished by calling again.
"""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError, RefusedError
from incident_mcp.incidentio.incidents.create import Despite, check_duplicates, plan_declaration
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.list import Mode
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.incidentio.names.classification import find_incident_type, find_severity, id_of, name_of
from incident_mcp.incidentio.names.finding import candidates
from incident_mcp.incidentio.severities import Severity, load_severities
from incident_mcp.ionhour.incidents.acknowledge import plan_acknowledgement
from incident_mcp.ionhour.incidents.incident import WholeIncident, priority, read_whole
from incident_mcp.ionhour.notes import Note, equal_notes, plan_deletion, plan_note, read_notes
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
MOST_OF_NAME, MOST_OF_SUMMARY = 500, 10_000
"""Characters of the alert's title, and of its summary, that the incident takes over."""


class DeclaredIncident(Record):
    """The incident that stands for the alert."""

    id: str
    reference: str | None = None
    name: str | None = None
    status: str | None = None
    severity: str | None = None
    permalink: str | None = None


class Step(Record):
    """One step and what came of it."""

    step: str
    outcome: str
    """done, done before, not asked for, not needed, would be done, or failed."""
    why: str | None = None
    would_send: Json | None = None
    """Of a note or an acknowledgement: the request that a call without dry_run sends."""


class Declaration(Record):
    """What was declared, and how far it went."""

    incident: DeclaredIncident | None = None
    ionhour_incident: int
    severity_by: str | None = None
    """How the severity was chosen."""
    steps: list[Step]
    dry_run: bool | None = None


@dataclass
class _Alert:
    """An alert and what has been done about it."""

    alert: WholeIncident
    incident: DeclaredIncident | None
    known_by: str | None
    noted: bool

    @property
    def resolved(self) -> bool:
        return self.alert.state == "RESOLVED"

    def left(self, step: str) -> Step | None:
        """Give a step that is not to be done although it was asked for."""
        if step == "note":
            return Step(step=step, outcome="done before") if self.noted else None
        if self.alert.acknowledged_at is not None:
            return Step(step=step, outcome="done before")
        return Step(step=step, outcome="not needed", why="The alert is resolved.") if self.resolved else None


async def declare_from_ionhour(
    incidentio: IncidentioApi,
    ionhour: IonhourApi,
    writer: WriterDep,
    ionhour_incident_id: IncidentId,
    name: Annotated[str | None, Field(description="Left out: the alert's title.")] = None,
    severity: Annotated[str | None, Field(description="Name or id; left out: by rank from P1 to P4.")] = None,
    summary: Annotated[str | None, Field(description="Left out: what the alert knows.")] = None,
    incident_type: Annotated[str | None, Field(description="Name or id; left out: the default.")] = None,
    visibility: Annotated[Literal["public", "private"], Field(description="Who may see it.")] = "public",
    mode: Annotated[Mode, Field(description="A resolved alert takes retrospective only.")] = "standard",
    acknowledge: Annotated[bool, Field(description="Acknowledge the alert, too.")] = False,
    note: Annotated[bool, Field(description="Put the reference on the alert as a note.")] = True,
    despite: Despite = None,
    dry_run: DryRun = False,
) -> WriteResult[Declaration]:
    """Declare one incident from an Ionhour alert, however often it is called.

    If the alert has an incident, that one is returned, and a missing note or acknowledgement is completed.
    """
    async with nullcontext() if dry_run else writer.declaration_lock(incidentio):
        known = await _look(incidentio, ionhour, ionhour_incident_id)
        severity_by, declaration, similar, similar_note = None, None, (), None
        if known.incident is None:
            if known.resolved and mode != "retrospective":
                raise InputError(
                    f"Ionhour incident {known.alert.id} is resolved: only mode=retrospective records it. Not sent."
                )
            chosen, severity_by = await _severity(incidentio, known.alert, severity)
            body = without_none(
                name=name or shorten(known.alert.title or "", MOST_OF_NAME) or f"Ionhour incident {known.alert.id}",
                summary=f"{summary or _summary(known.alert)}\n\n{summary_line(known.alert)}",
                visibility=visibility,
                mode=mode,
                severity_id=id_of(chosen),
                incident_type_id=id_of(await find_incident_type(incidentio, incident_type)),
            )
            declaration = plan_declaration(TOOL, incidentio, body, name_of(chosen), despite=despite or ())
            declaration = replace(declaration, fixed_key=f"ionhour-{known.alert.public_id}", distinguished_by=None)
            checked = await check_duplicates(incidentio, writer, declaration, despite or ())
            if checked.repeated is not None and checked.repeated.record is not None:
                incident = DeclaredIncident.from_dump(checked.repeated.record.dump())
                known, declaration = replace(known, incident=incident, known_by="the incident's summary"), None
            else:
                similar, similar_note = checked.similar, checked.note
        wanted = {"note": note, "acknowledge": acknowledge}
        if not dry_run:
            await _confirmed(writer, incidentio, ionhour, declaration, known, wanted)
        declared = await writer.perform(incidentio, declaration, dry_run=dry_run) if declaration else None
    outcome = await _finish(writer, ionhour, known, declared, severity_by, wanted, dry_run=dry_run)
    return replace(outcome, similar_open=similar, note=" ".join(filter(None, (outcome.note, similar_note))) or None)


async def _confirmed(
    writer: Writer,
    incidentio: Api,
    ionhour: Api,
    declaration: WritePlan[Any, Any] | None,
    known: _Alert,
    wanted: dict[str, bool],
) -> None:
    """Ask for confirmation of all the writes at once."""
    number = f'{known.alert.id} "{shorten(known.alert.title or "", 100)}"'
    words = {"note": f"put its reference on Ionhour incident {number} as a note"}
    words["acknowledge"] = f"acknowledge Ionhour incident {known.alert.id}, which then pages nobody further"
    parts = [declaration.question.removesuffix(".")] if declaration else []
    parts += [said for step, said in words.items() if wanted[step] and not known.left(step)]
    if known.incident and parts:
        parts[0] = f"For {known.incident.reference or known.incident.id}, which is declared already, {parts[0]}"
    question = "; ".join(parts) + "."
    body = declaration.request.body if declaration else None
    request = fingerprint(account_of(incidentio), TOOL, known.alert.public_id, body, wanted, question)
    if parts and await writer.confirm(question, request):
        incidentio.renew()
        ionhour.renew()


async def _look(incidentio: Api, ionhour: Api, number: int) -> _Alert:
    """Read an alert, and whether it is declared: by its notes, else by summaries of the incidents since it began."""
    alert = await read_whole(ionhour, number)
    if not alert.public_id:
        raise InputError(f"Ionhour incident {alert.id} has no public id, which makes its declaration unique. Not sent.")
    notes = (await read_notes(ionhour, alert.id)).notes
    if references := references_in(each.body for each in notes):
        found = await _noted(incidentio, references[-1], alert.id)
        return _Alert(alert, DeclaredIncident.from_dump(found.dump()), "the alert's note", noted=True)
    # A declaration whose note was never written, or was deleted, shows in the incident's summary.
    if row := (await declared_since(incidentio, alert.started_at)).naming(alert_id(alert)):
        incident = DeclaredIncident.from_dump(row.dump())
        return _Alert(alert, incident, "the incident's summary", noted=False)
    return _Alert(alert, None, None, noted=False)


async def _noted(api: Api, reference: str, number: int) -> Incident:
    try:
        return await read_incident(api, reference)
    except RefusedError as failure:
        advice = f"A note says that Ionhour incident {number} is declared as {reference}: look at it with a person."
        raise failure.with_advice(advice) from None


async def _finish(
    writer: Writer,
    ionhour: Api,
    known: _Alert,
    declared: WriteResult[Incident] | None,
    severity_by: str | None,
    wanted: dict[str, bool],
    *,
    dry_run: bool,
) -> WriteResult[Declaration]:
    """Do what follows the declaration; a step that fails is told, and does not undo or hide the ones before."""
    incident, would_send = known.incident, None
    steps = [Step(step="declare", outcome="done before", why=f"known by {known.known_by}")]
    if declared is not None:
        would_send = declared.would_send
        incident = DeclaredIncident.from_dump(declared.record.dump()) if declared.record else None
        done = "done before" if declared.repeated else "done"
        steps = [Step(step="declare", outcome=done if incident else _WOULD)]
    for step in ("note", "acknowledge"):
        if not wanted[step]:
            steps.append(Step(step=step, outcome="not asked for"))
        elif left := known.left(step):
            steps.append(left)
        elif step == "note" and incident is not None and incident.reference is None:
            why = "incident.io did not say the incident's reference, which the note is to carry."
            steps.append(Step(step=step, outcome="failed", why=why))
        elif dry_run:
            steps.append(_planned(ionhour, _write(ionhour, known.alert.id, incident, step), step))
        else:
            steps.append(await _step(writer, ionhour, known.alert.id, incident, step))
    failed = any(step.outcome == "failed" for step in steps)
    told = Declaration(
        incident=incident,
        ionhour_incident=known.alert.id,
        severity_by=severity_by,
        steps=steps,
        dry_run=dry_run or None,
    )
    note = "Call again with the same arguments to finish; nothing is done twice." if failed else None
    return WriteResult(told, would_send, note="Nothing was written." if dry_run else note)


_WOULD = "would be done"


def _write(api: Api, number: int, incident: DeclaredIncident | None, step: str) -> WritePlan[Any, Any]:
    if step == "acknowledge":
        return plan_acknowledgement(TOOL, api, number)
    reference = (incident.reference or incident.id) if incident else "(its reference)"
    link = incident.permalink if incident else "(its link)"
    body = note_text(reference, link)

    async def find_effect(_: Baseline) -> Note | None:
        equal, more = await equal_notes(api, number, body)
        if not equal and more:
            page = "answered one page of several of the notes"
            raise NoAnswerError(f"{api.service.name} {page}: whether it is noted is open.")
        return equal[0] if equal else None

    # Whoever linked the two, and when: once is enough.
    return replace(
        plan_note(TOOL, api, number, body), find_effect=find_effect, read_existing=None, accept_any_effect=True
    )


def _planned(api: Api, write: WritePlan[Any, Any], step: str) -> Step:
    request = write.request
    planned = Planned(api.service.name, request.method, request.path, request.body)
    return Step(step=step, outcome=_WOULD, would_send=planned.dump())


async def _step(writer: Writer, api: Api, number: int, incident: DeclaredIncident | None, step: str) -> Step:
    wanted = _write(api, number, incident, step)
    try:
        outcome = await writer.perform(api, wanted, dry_run=False)
    except IncidentMcpError as failure:
        return Step(step=step, outcome="failed", why=str(failure))
    if isinstance(outcome.record, Note) and outcome.record.id is not None:
        # A duplicate that stays does no harm, so a failure here is no failure of the step.
        with suppress(IncidentMcpError):
            await _drop_duplicate(writer, api, number, outcome.record.id, wanted)
    return Step(step=step, outcome="done")


async def _drop_duplicate(writer: Writer, api: Api, number: int, note_id: int, wanted: WritePlan[Any, Any]) -> None:
    """Delete this note if an older one says the same: two machines put them there at the same moment."""
    equal, _ = await equal_notes(api, number, (wanted.request.body or {})["body"])
    ids = [note.id for note in equal if note.id is not None]
    if note_id in ids and min(ids) < note_id:
        # Whoever was asked about the note was asked about this, too.
        await writer.perform(api, replace(plan_deletion(TOOL, api, number, note_id), destructive=False), dry_run=False)


async def _severity(api: Api, alert: WholeIncident, wanted: str | None) -> tuple[Severity | None, str]:
    """Choose a severity: the one asked for, or the account's scale laid over P1 to P4 by rank."""
    if wanted is not None:
        return await find_severity(api, wanted), "as asked for"
    scale, _ = await api.cached("severity", lambda: load_severities(api))
    rank = priority(alert.severity)
    if not scale or rank is None:
        raise InputError(
            f"The alert's severity {alert.severity!r} has no place in P1 to P4: pass severity, one of"
            f" {candidates(scale)}. Not sent."
        )
    place = round((4 - rank) / 3 * (len(scale) - 1))
    return scale[place], f"{alert.severity}, by rank: {place + 1} of {len(scale)}, {len(scale)} being the most severe"


def _summary(alert: WholeIncident) -> str:
    known = {
        "Project": alert.project,
        "Check": alert.check,
        "Dependency": alert.dependency_name,
        "Reason": alert.reason,
        "Since": alert.started_at,
        "Last success": alert.last_success_at,
        "Recovered": alert.recovered_at,
    }
    lines = [
        alert.title or f"Ionhour incident {alert.id}",
        *(f"{what}: {value}" for what, value in known.items() if value),
    ]
    rest = [shorten(alert.summary, MOST_OF_SUMMARY, "… [cut: Ionhour has the rest]")] if alert.summary else []
    return "\n".join([*(shorten(line, MOST_OF_NAME) for line in lines), *rest])


TOOLS = [write_tool(declare_from_ionhour, "Declare an incident from an Ionhour alert", idempotent=True)]
