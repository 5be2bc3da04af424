"""List rows of Ionhour incidents."""

from typing import Annotated

from pydantic import Field

from incident_mcp.ionhour.incidents.incident import IonhourIncident
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.records.html import start_to_text
from incident_mcp.records.record import (
    Instant,
    Json,
    Listed,
    Name,
    cut_at,
)
from incident_mcp.records.spans import format_span
from incident_mcp.records.tokens import tokens

MOST_OF_SUMMARY = 2_000
"""Characters of a summary that are read for a list row."""


LEAN_TOKENS = 60
"""What a row costs at most; `detail` shows the rest."""


class IonhourIncidentRow(IonhourRecord):
    """An incident in a list; a row that would be long has its first nine fields alone, unless `detail` is set."""

    id: int
    title: Name | None = None
    state: str | None = None
    severity: str | None = None
    project: Name | None = None
    check: Name | None = None
    started_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None
    reason: str | None = None
    dependency: Name | None = None
    since_success: str | None = None
    """Baseline the last success, when the answer was made."""
    acknowledged_by: int | None = None
    last_signal_type: str | None = None
    last_signal_at: Instant | None = None
    last_success_at: Instant | None = None
    public_id: str | None = None
    project_id: int | None = None
    check_id: int | None = None
    dependency_id: int | None = None
    acknowledged_by_email: str | None = None
    last_signal_source: Annotated[str, cut_at(120, "… [cut]")] | None = None
    recovered_at: Instant | None = None
    summary: Annotated[str, cut_at(300, "… [cut]")] | None = None


_LEAN = ("id", "title", "state", "severity", "project", "check", "started_at", "resolved_at", "acknowledged_at")


_MORE = tuple(name for name in IonhourIncidentRow.model_fields if name not in _LEAN)


def to_row(incident: IonhourIncident, *, detail: bool) -> IonhourIncidentRow:
    """Return an incident as a list row: in full with `detail`, else as much as stays inside `LEAN_TOKENS`."""
    fields = incident.dump()
    raw = incident.summary or ""
    shown = detail or len(raw) <= MOST_OF_SUMMARY
    fields["summary"] = (start_to_text(raw, MOST_OF_SUMMARY) or None) if shown else None
    fields["dependency"] = fields.pop("dependency_name", None)
    ms = fields.pop("duration_since_success_ms", None)
    fields["since_success"] = None if ms is None else format_span(ms / 1000)
    row = IonhourIncidentRow.from_dump(fields)
    if detail:
        return row
    whole = row.dump()
    kept: Json = {name: whole[name] for name in _LEAN if name in whole}
    cost = tokens(kept)
    for name in _MORE:
        more = tokens({name: whole[name]}) if name in whole else LEAN_TOKENS
        if cost + more <= LEAN_TOKENS:
            kept[name] = whole[name]
            cost += more
    return IonhourIncidentRow.from_dump(kept)


class IonhourIncidents(Listed):
    """Incidents, and the next page if there is one."""

    MARK = "Texts that end in … were cut to fit: get the one incident, or pass a smaller limit."
    incidents: list[IonhourIncidentRow]
    page: int | None = None
    """The next page."""
    limit: int | None = None
    """To be passed with the next page where it is another than before."""
    total: int | None = None
    """Of all that match."""
    looked_at: int | None = None
    """With `name_contains` or MONITORING: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains` or MONITORING: whether those were all that the other filters leave."""
    note: str | None = None
    detailed: bool = Field(default=False, exclude=True)
    """Whether every row has all of its fields."""

    def most_tokens(self, rows: int) -> float:
        """Return what the answer may cost: more where rows are shown in full."""
        return super().most_tokens(rows) * (4 if self.detailed else 1)
