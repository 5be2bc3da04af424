"""An incident.io incident out of an Ionhour alert, exactly once.

The steps: look whether it is declared already, declare, put a note on the alert, acknowledge. Each can be done again
without harm: the declaration's key comes from the alert's public id, the note is looked for before it is written, and
an acknowledgement repeats itself. So a call that was cut anywhere is finished by calling again.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from incident_mcp.deps import DryRun, IncidentioApi, IonhourApi, WriterDep
from incident_mcp.errors import IncidentMcpError, InputError
from incident_mcp.http import Api, fill
from incident_mcp.incidentio import names
from incident_mcp.incidentio.incident_records import Incident
from incident_mcp.incidentio.incidents import Mode, declare_write, given, read_incident
from incident_mcp.incidentio.severities import Severity, load_severities
from incident_mcp.ionhour.incidents import IonhourIncident, acknowledge_write
from incident_mcp.ionhour.notes import note_write, read_notes
from incident_mcp.ionhour.records import IncidentId
from incident_mcp.models import Outcome, Record
from incident_mcp.response.links import alert_id, declared_since, note_text, references_in, summary_line
from incident_mcp.toolset import write
from incident_mcp.writes import Write, Writer

TOOL = "declare_from_ionhour"
# G-INC, the vendor's older guide, and its hosted tools still say CRITICAL and WARNING.
_PRIORITY = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "CRITICAL": 1, "WARNING": 3}


class DeclaredIncident(Record):
    """The incident that stands for the alert."""

    id: str
    reference: str
    name: str | None = None
    status: str | None = None
    severity: str | None = None
    permalink: str | None = None


class Step(Record):
    """One step and what came of it."""

    step: str
    outcome: str
    """done, done before, not asked for, would be done, or failed."""
    why: str | None = None


class Declaration(Record):
    """What was declared, and how far it went."""

    incident: DeclaredIncident | None = None
    ionhour_incident: int
    severity_by: str | None = None
    """How the severity was chosen."""
    steps: list[Step]


@dataclass
class _Alert:
    """An alert and what has been done about it."""

    alert: IonhourIncident
    incident: DeclaredIncident | None
    known_by: str | None
    noted: bool

    @property
    def acknowledged(self) -> bool:
        return self.alert.acknowledged_at is not None


async def declare_from_ionhour(
    incidentio: IncidentioApi,
    ionhour: IonhourApi,
    writer: WriterDep,
    ionhour_incident_id: IncidentId,
    name: Annotated[str | None, Field(min_length=1, description="Left out: the alert's title.")] = None,
    severity: Annotated[str | None, Field(description="Name or id; left out: by rank from P1 to P4.")] = None,
    summary: Annotated[str | None, Field(description="Left out: what the alert knows.")] = None,
    incident_type: Annotated[str | None, Field(description="Name or id; left out: the default.")] = None,
    visibility: Annotated[Literal["public", "private"], Field(description="Who may see it.")] = "public",
    mode: Annotated[Mode, Field(description="A resolved alert takes retrospective only.")] = "standard",
    acknowledge: Annotated[bool, Field(description="Acknowledge the alert, too.")] = False,
    note: Annotated[bool, Field(description="Put the reference on the alert as a note.")] = True,
    dry_run: DryRun = False,
) -> Outcome[Declaration]:
    """Declare an incident.io incident from an Ionhour alert: once, however often and wherever it is called.

    An alert that was declared before answers with that incident; what is left of note and acknowledgement is done.
    """
    known = await _look(incidentio, ionhour, ionhour_incident_id)
    severity_by, declaration = None, None
    if known.incident is None:
        if known.alert.state == "RESOLVED" and mode != "retrospective":
            raise InputError(
                f"Ionhour incident {known.alert.id} is resolved: only mode=retrospective records it. Not sent."
            )
        chosen, severity_by = await _severity(incidentio, known.alert, severity)
        body = given(
            name=name or known.alert.title or f"Ionhour incident {known.alert.id}",
            summary=f"{summary or _summary(known.alert)}\n\n{summary_line(known.alert)}",
            visibility=visibility,
            mode=mode,
            severity_id=names.id_of(chosen),
            incident_type_id=names.id_of(await names.incident_type(incidentio, incident_type)),
        )
        key = f"ionhour-{known.alert.public_id}"
        declaration = declare_write(TOOL, incidentio, body, names.name_of(chosen), key=key)
    wanted = {"note": note and not known.noted, "acknowledge": acknowledge and not known.acknowledged}
    if not dry_run:
        await _confirmed(writer, incidentio, ionhour, declaration, known, wanted)
    return await _carry_out(writer, incidentio, ionhour, known, declaration, severity_by, wanted, dry_run=dry_run)


async def _confirmed(
    writer: Writer,
    incidentio: Api,
    ionhour: Api,
    declaration: Write[Any, Any] | None,
    known: _Alert,
    wanted: dict[str, bool],
) -> None:
    """Ask a person about all the writes at once."""
    parts = [declaration.question] if declaration else []
    parts += [f"Put its reference on Ionhour incident {known.alert.id} as a note."] if wanted["note"] else []
    parts += (
        [f"Acknowledge Ionhour incident {known.alert.id}; it pages nobody further."] if wanted["acknowledge"] else []
    )
    if parts and await writer.confirmed(" ".join(parts)):
        incidentio.renew()
        ionhour.renew()


async def _look(incidentio: Api, ionhour: Api, number: int) -> _Alert:
    """Read an alert, and whether it is declared: by its notes, else by summaries of the incidents since it began."""
    alert = await ionhour.get(fill("/incidents/{incident_id}", incident_id=number), IonhourIncident)
    if not alert.public_id:
        raise InputError(f"Ionhour incident {alert.id} has no public id, which makes its declaration unique. Not sent.")
    notes = (await read_notes(ionhour, alert.id)).notes
    if references := references_in(each.body for each in notes):
        found = await read_incident(incidentio, references[-1])
        return _Alert(alert, DeclaredIncident.model_validate(found.model_dump()), "the alert's note", noted=True)
    # A declaration whose note was never written, or was deleted, shows in the incident's summary.
    for row in await declared_since(incidentio, alert.started_at or ""):
        if row.links(alert_id(alert)):
            incident = DeclaredIncident.model_validate(row.model_dump())
            return _Alert(alert, incident, "the incident's summary", noted=False)
    return _Alert(alert, None, None, noted=False)


async def _carry_out(
    writer: Writer,
    incidentio: Api,
    ionhour: Api,
    known: _Alert,
    declaration: Write[Any, Incident] | None,
    severity_by: str | None,
    wanted: dict[str, bool],
    *,
    dry_run: bool,
) -> Outcome[Declaration]:
    """Declare, then do the rest; a step that fails is told, and does not undo or hide the ones before."""
    incident, would_send = known.incident, None
    steps = [Step(step="declare", outcome="done before", why=f"known by {known.known_by}")]
    if declaration is not None:
        outcome = await writer.perform(incidentio, declaration, dry_run=dry_run)
        would_send = outcome.would_send
        incident = DeclaredIncident.model_validate(outcome.record.model_dump()) if outcome.record else None
        steps = [Step(step="declare", outcome="done" if incident else _WOULD)]
    before = {"note": known.noted, "acknowledge": known.acknowledged}
    for step in ("note", "acknowledge"):
        if not wanted[step]:
            steps.append(Step(step=step, outcome="done before" if before[step] else "not asked for"))
        elif dry_run or incident is None:
            steps.append(Step(step=step, outcome=_WOULD))
        else:
            steps.append(await _step(writer, ionhour, known.alert.id, incident, step))
    failed = any(step.outcome == "failed" for step in steps)
    told = Declaration(incident=incident, ionhour_incident=known.alert.id, severity_by=severity_by, steps=steps)
    note = "Call again with the same arguments to finish; nothing is done twice." if failed else None
    return Outcome(told, would_send, note="Nothing was written." if dry_run else note)


_WOULD = "would be done"


async def _step(writer: Writer, ionhour: Api, number: int, incident: DeclaredIncident, step: str) -> Step:
    try:
        if step == "note":
            put = note_write(TOOL, ionhour, number, note_text(incident.reference, incident.permalink))
            await writer.perform(ionhour, replace(put, look_first=True), dry_run=False)
        else:
            await writer.perform(ionhour, acknowledge_write(TOOL, number), dry_run=False)
    except IncidentMcpError as failure:
        return Step(step=step, outcome="failed", why=str(failure))
    return Step(step=step, outcome="done")


async def _severity(api: Api, alert: IonhourIncident, wanted: str | None) -> tuple[Severity | None, str]:
    """Choose a severity: the one asked for, or the account's scale laid over P1 to P4 by rank."""
    if wanted is not None:
        return await names.severity(api, wanted), "as asked for"
    scale, _ = await api.cached("severity", lambda: load_severities(api))
    priority = _PRIORITY.get((alert.severity or "").upper())
    if not scale or priority is None:
        raise InputError(
            f"The alert's severity {alert.severity!r} has no place in P1 to P4: pass severity, one of"
            f" {names.candidates(scale)}. Not sent."
        )
    place = round((4 - priority) / 3 * (len(scale) - 1))
    return scale[place], f"{alert.severity}, by rank: {place + 1} of {len(scale)}, {len(scale)} being the most severe"


def _summary(alert: IonhourIncident) -> str:
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
    return "\n".join([*lines, *([alert.summary] if alert.summary else [])])


TOOLS = [write(declare_from_ionhour, "Declare an incident from an Ionhour alert", idempotent=True)]
