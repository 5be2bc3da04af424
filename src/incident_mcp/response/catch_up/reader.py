"""Reading what changed in both services since a cursor, in as few requests as possible."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import anyio

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio import incident_updates
from incident_mcp.incidentio.access import LIST as INCIDENTS
from incident_mcp.incidentio.alerts.access import LIST as ALERTS
from incident_mcp.incidentio.names.incidents import IncidentName, incident_name
from incident_mcp.incidentio.oncall.escalations import LIST as PAGES
from incident_mcp.incidentio.pages import Rows, each_page, read_rows
from incident_mcp.records.clock import utc_now
from incident_mcp.records.instants import to_second
from incident_mcp.records.record import Record
from incident_mcp.response.catch_up import ionhour
from incident_mcp.response.catch_up.cursor import FEED, Cursor, IncidentState
from incident_mcp.response.catch_up.events import Event, Position
from incident_mcp.response.catch_up.feed import feed_events
from incident_mcp.response.catch_up.incidents import (
    MODES,
    Incident,
    Update,
    incident_events,
    next_states,
    update_events,
)
from incident_mcp.response.catch_up.pages import FiredAlert, Page, alert_events, page_events
from incident_mcp.response.catch_up.watermark import Stream
from incident_mcp.response.reading import Part, Reading
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.dependencies import Services
from incident_mcp.tooling.feed import KEPT_SECONDS, MAX_ENTRIES, Feed
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

MAX_REQUESTS = 6
"""Requests of a call whose lists fit on one page each; longer lists take one more for each page."""
MAX_ROWS, MAX_UPDATES = 1_000, 2_500
"""Rows that are read of each list."""
NAMES_SINCE = timedelta(days=3)
"""Incidents are read from this long before the watermark: changes name them, and their leads are compared later."""
_LABELS = {
    "incidents": "incident.io's incidents",
    "updates": "incident.io's updates",
    "pages": "incident.io's pages",
    "alerts": "incident.io's alerts",
    "ionhour": "Ionhour's alerts",
    FEED: "incident.io's webhooks",
}

Row = TypeVar("Row", bound=Record)


class CatchUpReader:
    """Reads the changes since a cursor.

    Args:
        services: Both services.
        settings: The caller's settings.
        cursor: What was reported before.
        feed: What webhooks reported; None where none are received.
    """

    def __init__(self, services: Services, settings: Settings, cursor: Cursor, feed: Feed | None = None) -> None:
        self._feed = feed if services.incidentio else None
        # A cursor of a time without webhooks: what they report begins where the incidents do.
        first = {FEED: replace(cursor.marks["incidents"], reported=frozenset())} if self._feed else {}
        self.cursor = replace(cursor, marks=first | dict(cursor.marks))
        self.unread: set[str] = set()
        """Sources that could not be read: their part of the cursor does not move."""
        self._services = services
        self._workspace = settings.ionhour_workspace_id
        self._reading = Reading(services, 0, "Pass a later `since`.")
        self._problems = self._reading.problems
        self._names: dict[str, IncidentName] = {}
        self._incidents: list[Incident] = []
        self._updates: list[Update] = []
        self._events: dict[str, list[Event]] = {}
        self._alerts: ionhour.Alerts | None = None
        self.streams: dict[str, Stream] = {}

    async def read(self) -> None:
        """Read all sources, then sort out which changes were not reported yet."""
        await self._reading.read(self._parts())
        await self._read_feed()
        self._events["incidents"] = incident_events(self._incidents, self.cursor.incidents)
        by_id = {row.id: row for row in self._incidents}
        self._events["updates"] = update_events(self._updates, by_id, self.cursor.incidents)
        for source, mark in self.cursor.marks.items():
            if source not in self.unread and (source != FEED or self._feed is not None):
                self._add_stream(source, Stream(mark, self._events.get(source, []), self._now(source)))

    def problem_lines(self) -> list[str]:
        """Return what could not be read, and what becomes of it."""
        later = ["What could not be read is reported once it can be: call again with `cursor`."]
        return self._problems.lines() + (later if self.unread else [])

    def _add_stream(self, source: str, stream: Stream) -> None:
        self.streams[source] = stream
        if stream.in_future:
            self._problems.add(f"{_LABELS[source]}: {stream.in_future} lie in the future and are reported then.")
        if stream.without_time:
            self._problems.add(f"{_LABELS[source]}: {stream.without_time} have no readable time and are not reported.")

    def _now(self, source: str) -> datetime:
        api = self._services.ionhour if source == "ionhour" else self._services.incidentio
        return datetime.fromtimestamp(api.now(), UTC) if api else utc_now()

    def _since(self, source: str) -> datetime:
        return self.cursor.marks[source].mark.instant

    def _parts(self) -> list[Part]:
        parts: list[Part] = []
        if (api := self._services.incidentio) is not None:
            reads = {
                "incidents": self._read_incidents,
                "updates": self._read_updates,
                "pages": self._read_pages,
                "alerts": self._read_alerts,
            }
            parts += [self._part(source, api, partial(read, api)) for source, read in reads.items()]
        else:
            self._lack("incidentio", "incident.io", [source for source in _LABELS if source != "ionhour"])
        if (api := self._services.ionhour) is not None:
            parts.append(self._part("ionhour", api, partial(self._read_ionhour, api), requests=2))
        else:
            self._lack("ionhour", "Ionhour", ["ionhour"])
        return parts

    def _part(self, source: str, api: Api, read: Callable[[], Awaitable[None]], requests: int = 1) -> Part:
        self.unread.add(source)
        return Part(_LABELS[source], "", api, read, requests)

    def _lack(self, slug: str, name: str, sources: Sequence[str]) -> None:
        self.unread.update(sources)
        self._problems.add(f"{name}: there is no key ({KEY_VARIABLES[slug]}).")

    async def _read_incidents(self, api: Api) -> None:
        day = (self._since("incidents") - NAMES_SINCE).date().isoformat()
        # Rehearsals, too: their updates are in the list of updates, and are not reported.
        query = [("updated_at[gte]", day), *(("mode[one_of]", mode) for mode in MODES)]
        rows = await read_rows(api, INCIDENTS.request(query), Incident, limit=MAX_ROWS)
        self._incidents = list(rows)
        self._check("incidents", rows, "incident")

    async def _read_pages(self, api: Api) -> None:
        day = self._since("pages").date().isoformat()
        rows = await self._read_list(api, PAGES.request([("updated_at[gte]", day)]), Page)
        self._events["pages"] = page_events(rows)
        self._problems.add_unreadable(sum(row.moments is None for row in rows), "page", " whose events")
        self._check("pages", rows, "page")

    async def _read_alerts(self, api: Api) -> None:
        # Of all lists, only that of alerts documents a time in its filter.
        since = to_second(self._since("alerts"))
        rows = await self._read_list(api, ALERTS.request([("updated_at[gte]", since)]), FiredAlert)
        self._events["alerts"] = alert_events(rows)
        self._check("alerts", rows, "alert")

    async def _read_list(self, api: Api, request: Request, row: type[Row]) -> Rows[Row]:
        return await read_rows(api, request, row, limit=MAX_ROWS)

    def _check(self, source: str, rows: Rows[Row], name: str) -> None:
        """Count a source as read, unless there are more rows than were read."""
        self._problems.add_unreadable(rows.unreadable, name)
        if rows.complete:
            self.unread.discard(source)
        else:
            self._exceed(source, len(rows))

    def _exceed(self, source: str, count: int) -> None:
        since = to_second(self._since(source))
        self._problems.add(
            f"{_LABELS[source]}: more than {count} were changed since {since}, so none are reported. To skip them, pass"
            " a later timestamp as `since`."
        )

    async def _read_updates(self, api: Api) -> None:
        """Read the updates back to the watermark; the list has no filter by time, and no documented order."""
        mark = self.cursor.marks["updates"].mark
        rows = Rows[Update]()
        pages = each_page(api, incident_updates.LIST.request(), Update, limit=MAX_UPDATES)
        async with aclosing(pages):
            async for page in pages:
                rows += page.rows
                rows.unreadable = (rows.unreadable or 0) + (page.unreadable or 0) or None
                rows.after = None if _reaches(rows, mark) else page.after
                if rows.complete:
                    break
        self._updates = list(rows)
        self._check("updates", rows, "update")

    async def _read_ionhour(self, api: Api) -> None:
        mark = self.cursor.marks["ionhour"].mark
        self._alerts = await ionhour.read_alerts(api, self._workspace, mark)
        self._events["ionhour"] = ionhour.alert_events(self._alerts, self._known)
        self._problems.add_unreadable(self._alerts.unreadable, "resolved Ionhour alert")
        if not self._alerts.all_unresolved_known:
            read, total = len(self._alerts.unresolved), self._alerts.unresolved_total
            self._problems.add(f"Ionhour has {total} unresolved alerts; {read} were read.")
        if not self._alerts.reaches_back:
            count = len(self._alerts.resolved)
            self._problems.add(f"Ionhour's alerts: only {count} resolved ones were read; some may be missing.")
        self.unread.discard("ionhour")

    async def _read_feed(self) -> None:
        """Read what webhooks reported and no list shows; without a receiver its mark does not move."""
        feed = self._feed
        if feed is None:
            return
        self.unread.add(FEED)

        async def read() -> None:
            entries = await feed.entries()
            self._events[FEED] = feed_events(entries)
            since = self._since(FEED)
            oldest = min((entry.at for entry in entries), default=0.0) if len(entries) >= MAX_ENTRIES else 0.0
            kept_from = max(self._now(FEED).timestamp() - KEPT_SECONDS, oldest)
            if since.timestamp() < kept_from:
                kept = to_second(datetime.fromtimestamp(kept_from, UTC))
                self._problems.add(f"{_LABELS[FEED]}: what they reported before {kept} is no longer kept.")
            self.unread.discard(FEED)

        await self._problems.attempt(_LABELS[FEED], "", read)

    @property
    def _known(self) -> ionhour.Known:
        return ionhour.Known(self.cursor.alerts, self.cursor.tracked_from)

    async def name_incidents(self, shown: Sequence[Event]) -> None:
        """Read the names of incidents that are not among those read, as far as requests are left."""
        apis = [each for each in (self._services.incidentio, self._services.ionhour) if each]
        left = max(0, MAX_REQUESTS - sum(each.requests for each in apis))
        missing = self._unnamed(shown)[:left]
        api = self._services.incidentio
        if api is None or not missing:
            return

        async def read_name(number: str) -> None:
            try:
                self._names[number] = await incident_name(api, number)
            except IncidentMcpError:
                return

        async with anyio.create_task_group() as tasks:
            for number in missing:
                tasks.start_soon(read_name, number)

    def _unnamed(self, shown: Sequence[Event]) -> list[str]:
        known = {row.id for row in self._incidents}
        ids = [event.incident_id for event in shown if event.incident_id]
        return [number for number in dict.fromkeys(ids) if number not in known]

    def name_of(self, incident_id: str) -> IncidentName:
        """Return an incident's reference and name, where known."""
        row = next((row for row in self._incidents if row.id == incident_id), None)
        if row is not None:
            return IncidentName(id=row.id, reference=row.reference, name=row.name)
        return self._names.get(incident_id) or IncidentName(id=incident_id)

    def cursor_after(self, shown: Sequence[Event]) -> Cursor:
        """Return the cursor once these changes are reported."""
        reported = set(shown)
        left = [event for stream in self.streams.values() for event in stream.pending if event not in reported]
        marks = {
            source: self.streams[source].after(reported) if source in self.streams else mark
            for source, mark in self.cursor.marks.items()
        }
        known = self._known
        if self._alerts is not None:
            waiting = [event for event in left if event.change.ionhour_incident]
            known = ionhour.next_known(self._alerts, known, waiting)
            marks["ionhour"] = marks["ionhour"].past(ionhour.dropped(self._alerts, known, waiting), waiting)
        return Cursor(
            marks=marks,
            incidents=self._states(left),
            alerts=known.alerts,
            tracked_from=known.tracked_from,
            ionhour=self.cursor.ionhour,
        )

    def _states(self, left: Sequence[Event]) -> dict[int, IncidentState]:
        rows = [] if "incidents" in self.unread else self._incidents
        updates = None if "updates" in self.unread else self._updates
        return next_states(rows, updates, self.cursor.incidents, left)


def _reaches(rows: Sequence[Update], mark: Position) -> bool:
    """Return whether updates are sorted newest first and go back to before a watermark."""
    times = [row.created_at for row in rows if row.created_at is not None]
    is_sorted = times == sorted(times, reverse=True) and times[:1] > times[-1:]
    return is_sorted and Position.of(times[-1]) <= mark
