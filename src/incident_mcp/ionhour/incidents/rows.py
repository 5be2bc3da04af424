"""List rows of Ionhour incidents, and the list."""

from typing import Annotated

from pydantic import Field

from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.records.html import start_to_text
from incident_mcp.records.record import Instant, Json, Listed, Name, cut_at
from incident_mcp.records.spans import format_span
from incident_mcp.records.tokens import tokens

MAX_SUMMARY = 2_000
"""Characters of a summary that are read for a list row."""
ROW_TOKENS = 60
"""Maximum cost of a row without `detail`."""


class IonhourIncidentRow(IonhourRecord):
    """An incident in a list; a long row has only its first nine fields, unless `detail` is set."""

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
    """Time since the last success, as of the response."""
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


_ALWAYS = 9
"""Number of fields that every row has."""


def to_row(incident: IonhourIncident, *, detail: bool) -> IonhourIncidentRow:
    """Return an incident as a list row: in full with `detail`, otherwise within `ROW_TOKENS`."""
    fields = incident.dump()
    raw = incident.summary or ""
    fields["summary"] = (start_to_text(raw, MAX_SUMMARY) or None) if detail or len(raw) <= MAX_SUMMARY else None
    fields["dependency"] = fields.pop("dependency_name", None)
    ms = fields.pop("duration_since_success_ms", None)
    fields["since_success"] = None if ms is None else format_span(ms / 1000)
    row = IonhourIncidentRow.from_dump(fields)
    return row if detail else _within_budget(row)


def _within_budget(row: IonhourIncidentRow) -> IonhourIncidentRow:
    """Return a row without the optional fields that would exceed `ROW_TOKENS`."""
    fields = row.dump()
    names = list(IonhourIncidentRow.model_fields)
    kept: Json = {name: fields[name] for name in names[:_ALWAYS] if name in fields}
    cost = tokens(kept)
    for name in names[_ALWAYS:]:
        if name in fields and cost + (more := tokens({name: fields[name]})) <= ROW_TOKENS:
            kept[name] = fields[name]
            cost += more
    return IonhourIncidentRow.from_dump(kept)


class IonhourIncidents(Listed):
    """Incidents, and the number of the next page."""

    MARK = "Texts that end in … were cut to fit: get a single incident, or pass a smaller limit."
    incidents: list[IonhourIncidentRow]
    page: int | None = None
    """The next page."""
    limit: int | None = None
    """The limit to pass with `page`, if it differs from the one passed before."""
    total: int | None = None
    """Number of all matches."""
    looked_at: int | None = None
    """With `name_contains` or MONITORING: number of incidents searched."""
    looked_at_all: bool | None = None
    """With `name_contains` or MONITORING: true if all incidents that match the other filters were searched."""
    note: str | None = None
    detailed: bool = Field(default=False, exclude=True)
    """True if the rows have all their fields."""

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result, which is larger if the rows have all their fields."""
        return super().most_tokens(rows) * (4 if self.detailed else 1)
