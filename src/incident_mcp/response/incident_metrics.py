"""How long it takes to acknowledge and to resolve, in both services over a window."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Literal, TypeVar

from pydantic import AliasPath, BeforeValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.incidents.records import Timestamps, texts_of
from incident_mcp.incidentio.pages import read_rows
from incident_mcp.incidentio.teams import TEAMS
from incident_mcp.ionhour.incidents.access import LIST as ALERTS
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.ionhour.pages import each_page
from incident_mcp.records.clock import utc_now
from incident_mcp.records.instants import date_or_instant, parse_instant, to_second
from incident_mcp.records.record import Json, Listed, Record, part, parts, shorten
from incident_mcp.records.text import one_line
from incident_mcp.response.insight import INSIGHT
from incident_mcp.response.reading import Part, Reading
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.dependencies import AppSettings, BothServices, Services
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

By = Literal["severity", "type", "team", "check"]
MOST_READ = 1_000
"""Incidents that are read of each service."""
MOST_GROUPS = 20
_NOT_COUNTED = ("triage", "declined", "merged", "canceled")
"""Categories of what was no incident of its own, or is not accepted yet."""
_LONGEST = 1e9
"""Seconds: a longer duration is no duration."""
_ACKNOWLEDGE, _RESOLVE = ("acknowledg", "respond"), ("resolv", "fix")
"""Parts of the names of an account's duration metrics and timestamps."""
_REPORTED = ("reported",)
T = TypeVar("T")


def _read_durations(value: object) -> object:
    """Return the seconds by metric, of those that match the incident's present timestamps."""
    rows = [row for row in parts({"rows": value}, "rows") if row.get("status") in (None, "success")]
    named = ((part(row, "duration_metric").get("name"), row.get("value_seconds")) for row in rows)
    return {name: seconds for name, seconds in named if isinstance(name, str) and _is_duration(seconds)}


def _is_duration(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < _LONGEST


class _Incident(Record):
    id: str
    created_at: str | None = None
    category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    incident_type: str | None = Field(default=None, validation_alias=AliasPath("incident_type", "name"))
    team_ids: Annotated[list[str] | None, BeforeValidator(texts_of)] = None
    timestamps: Timestamps = Field(default=None, validation_alias="incident_timestamp_values")
    durations: Annotated[dict[str, float] | None, BeforeValidator(_read_durations)] = Field(
        default=None, validation_alias="duration_metrics"
    )

    def seconds(self, words: Sequence[str]) -> float | None:
        """Return a duration: by the account's own metric, else from its timestamps; None if neither is known."""
        measured = _named(self.durations or {}, words)
        if measured is not None:
            return measured
        times = {name: parse_instant(time) for name, time in (self.timestamps or {}).items()}
        return _between(_named(times, _REPORTED) or parse_instant(self.created_at), _named(times, words))


def _named(values: Mapping[str, T], words: Sequence[str]) -> T | None:
    """Return the first value whose name contains one of these words."""
    return next((value for name, value in values.items() if any(word in name.casefold() for word in words)), None)


class Durations(Record):
    """A duration over some incidents. The p90 is the smallest value that nine in ten do not exceed."""

    count: int
    """Incidents with a known duration."""
    median_seconds: int | None = None
    p90_seconds: int | None = None
    missing: int | None = None
    """Incidents without it: not ended yet, or not recorded."""


class MetricsRow(Record):
    """The incidents of one group in one service."""

    group: str
    incidents: int
    acknowledge: Durations
    resolve: Durations


class IncidentMetrics(Listed):
    """How long it took, by group; the last row of a service is of all its incidents."""

    since: str
    until: str | None = None
    """Absent for now."""
    incidentio: list[MetricsRow] | None = None
    ionhour: list[MetricsRow] | None = None
    note: str | None = None
    problems: list[str] | None = None

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result."""
        del rows
        return 3_000


@dataclass
class _Timed:
    """An incident with its durations, and the groups that it belongs to."""

    groups: Sequence[str]
    acknowledge: float | None
    resolve: float | None


@dataclass
class _Reader:
    services: Services
    settings: Settings
    start: datetime
    end: datetime
    by: By | None
    incidentio: list[_Timed] | None = None
    ionhour: list[_Timed] | None = None
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.reading = Reading(self.services, MOST_READ, "Pass a shorter window.")

    async def read(self) -> None:
        """Read the incidents of both services, as far as the grouping applies to them."""
        readers = {"incidentio": ("incident.io's incidents", 6), "ionhour": ("Ionhour's incidents", 12)}
        found: list[Part] = []
        for slug, (kind, requests) in readers.items():
            api: Api | None = getattr(self.services, slug)
            if api is None:
                self.reading.problems.add(f"{kind}: there is no key ({KEY_VARIABLES[slug]}).")
            elif self.by != "check" or slug == "ionhour":
                found.append(Part(kind, "", api, partial(getattr(self, f"_read_{slug}"), api), requests=requests))
        await self.reading.read(found)

    def _is_in(self, instant: datetime | None) -> bool:
        return instant is not None and self.start <= instant < self.end

    async def _read_incidentio(self, api: Api) -> None:
        # The filter takes days: the window is cut here.
        query = [("mode[one_of]", "standard"), ("created_at[gte]", self.start.date().isoformat())]
        if self.end < utc_now():
            query.append(("created_at[lte]", (self.end + timedelta(days=1)).date().isoformat()))
        query.append(("sort_by", "created_at_newest_first"))
        rows = await read_rows(api, LIST.request(query), _Incident, limit=MOST_READ)
        self._check(complete=rows.complete, count=len(rows), unreadable=rows.unreadable, whose="incident.io's")
        self._check_times((row.created_at for row in rows), "incident.io's")
        counted = [
            row for row in rows if row.category not in _NOT_COUNTED and self._is_in(parse_instant(row.created_at))
        ]
        groups = await self._groups(api)
        self.incidentio = [_Timed(groups(row), row.seconds(_ACKNOWLEDGE), row.seconds(_RESOLVE)) for row in counted]

    async def _groups(self, api: Api) -> Callable[[_Incident], Sequence[str]]:
        """Return what names the groups of an incident: one of several teams counts for each."""
        if self.by != "team":
            attribute = {"severity": "severity", "type": "incident_type"}.get(self.by or "")
            return lambda row: [getattr(row, attribute) or "none"] if attribute else []
        teams, _ = await TEAMS.read(api)
        names = {team.id: team.name for team in teams}
        return lambda row: [names.get(team, team) for team in row.team_ids or ()] or ["none"]

    async def _read_ionhour(self, api: Api) -> None:
        workspace = self.settings.ionhour_workspace_id
        query = [("workspaceId", str(workspace))] if workspace else []
        rows: list[Alert] = []
        unreadable, more = 0, False
        async for page in each_page(api, ALERTS.request(query), Alert, limit=MOST_READ):
            rows += page.rows
            unreadable += page.unreadable or 0
            more = page.has_more
        self._check(complete=not more, count=len(rows), unreadable=unreadable, whose="Ionhour's")
        self._check_times((row.started_at for row in rows), "Ionhour's")
        began = [(row, parse_instant(row.started_at)) for row in rows]
        self.ionhour = [
            _Timed(
                self._groups_of(row),
                _between(start, parse_instant(row.acknowledged_at)),
                _between(start, parse_instant(row.resolved_at)),
            )
            for row, start in began
            if self._is_in(start)
        ]

    def _groups_of(self, alert: Alert) -> Sequence[str]:
        if self.by == "severity":
            return [alert.severity or "none"]
        return [alert.check or alert.dependency_name or "none"] if self.by == "check" else []

    def _check_times(self, times: Iterable[str | None], whose: str) -> None:
        """Name the incidents of which it is not known whether they are in the window."""
        if unknown := sum(parse_instant(time) is None for time in times):
            self.reading.problems.add(f"{unknown} of {whose} incidents have no readable start and are not counted.")

    def _check(self, *, complete: bool, count: int, unreadable: int | None, whose: str) -> None:
        self.reading.problems.add_unreadable(unreadable, f"of {whose} incidents row")
        if not complete:
            self.reading.problems.add(f"Only {count} of {whose} incidents were read: pass a shorter window.")


def _between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds between two instants; None if one is not known or they are not in order."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()


def _rows(timed: Sequence[_Timed] | None) -> list[MetricsRow] | None:
    """Return a row for each group, the largest first, and one for all; None if nothing was read."""
    if timed is None:
        return None
    groups: dict[str, list[_Timed]] = {}
    for each in timed:
        for group in each.groups:
            groups.setdefault(shorten(one_line(group), 60), []).append(each)
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_GROUPS]
    return [*(_row(group, rows) for group, rows in largest), _row("all", timed)]


def _row(group: str, timed: Sequence[_Timed]) -> MetricsRow:
    return MetricsRow(
        group=group,
        incidents=len(timed),
        acknowledge=_durations(each.acknowledge for each in timed),
        resolve=_durations(each.resolve for each in timed),
    )


def _durations(values: Iterable[float | None]) -> Durations:
    found = list(values)
    known = sorted(value for value in found if value is not None)
    missing = len(found) - len(known) or None
    if not known:
        return Durations(count=0, missing=missing)
    p90 = known[math.ceil(0.9 * len(known)) - 1]
    return Durations(
        count=len(known), median_seconds=round(statistics.median(known)), p90_seconds=round(p90), missing=missing
    )


def _window(since: str, until: str | None) -> tuple[datetime, datetime]:
    """Return the window.

    Raises:
        InputError: An end is not a date or instant, or they are not in order.
    """
    ends: Mapping[str, str | None] = {"since": since, "until": until}
    read: Json = {name: parse_instant(date_or_instant(text)) if text else utc_now() for name, text in ends.items()}
    wrong = next((name for name, instant in read.items() if instant is None), None)
    if wrong is not None:
        raise InputError(f"{wrong} takes a date like 2026-11-01, or a timestamp with a time zone. Not sent.")
    if read["since"] >= read["until"]:
        raise InputError("since must be earlier than until. Not sent.")
    return read["since"], read["until"]


async def incident_metrics(
    services: BothServices,
    settings: AppSettings,
    since: Annotated[str, Field(min_length=1, description="Date or RFC 3339 timestamp.")],
    until: Annotated[str | None, Field(description="Default: now.")] = None,
    by: Annotated[By | None, Field(description="check: of Ionhour alone.")] = None,
) -> IncidentMetrics:
    """Measure how long it took to acknowledge and to resolve: median and p90, and how many incidents lack the data.

    By incident.io's own duration metrics, else its timestamps; Ionhour's alerts beside them.
    """
    start, end = _window(since, until)
    reader = _Reader(services, settings, start, end, by)
    await reader.read()
    left = by in ("type", "team") and reader.ionhour is not None
    return IncidentMetrics(
        since=to_second(start),
        until=to_second(end) if until else None,
        incidentio=_rows(reader.incidentio),
        ionhour=_rows(reader.ionhour),
        note=f"Ionhour's alerts have no {by}." if left else None,
        problems=reader.reading.problems.lines() or None,
    )


TOOLS = [
    read_tool(
        incident_metrics,
        "Incident metrics",
        toolset=INSIGHT,
        keywords="mtta mttr average how fast quickly long statistics report numbers response time trend",
    )
]
