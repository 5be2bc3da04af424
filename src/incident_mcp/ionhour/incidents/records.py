"""Records of Ionhour incidents."""

from pydantic import AliasChoices, AliasPath, Field

from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.records.record import HtmlText, Instant, Long, Whole


class IonhourIncident(IonhourRecord, Long):
    """An incident. The check's token is omitted on purpose: a ping to it fakes a recovery."""

    REST = ": ionhour_get_incident with offset={offset} shows the rest"
    id: int
    title: str | None = None
    state: str | None = None
    severity: str | None = None
    reason: str | None = None
    summary: str | None = None
    """HTML or plain text, unchanged: converting is left to the code that shows or searches it."""
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    check: str | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    check_id: int | None = Field(default=None, validation_alias=AliasChoices("checkId", AliasPath("check", "id")))
    dependency_name: str | None = Field(
        default=None, validation_alias=AliasChoices("dependencyName", AliasPath("dependency", "name"))
    )
    dependency_id: int | None = Field(
        default=None, validation_alias=AliasChoices("dependencyId", AliasPath("dependency", "id"))
    )
    started_at: Instant | None = None
    recovered_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None
    acknowledged_by: int | None = None
    acknowledged_by_email: str | None = Field(default=None, validation_alias=AliasPath("acknowledgedByUser", "email"))
    last_signal_at: Instant | None = None
    last_signal_type: str | None = None
    last_signal_source: str | None = None
    last_success_at: Instant | None = None
    duration_since_success_ms: Whole | None = None
    """Milliseconds, as of the response."""
    public_id: str | None = None


class FullIncident(IonhourIncident):
    """An incident with its summary converted to text."""

    summary: HtmlText | None = None


_RANKS = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "CRITICAL": 1, "WARNING": 3}
"""The vendor's older guide and hosted tools still use CRITICAL and WARNING."""


def severity_rank(severity: str | None) -> int | None:
    """Return the rank of a severity: 1 is the most severe, None is unknown."""
    return _RANKS.get((severity or "").strip().upper())
