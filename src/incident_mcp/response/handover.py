"""What the next person on call must know, in one short answer."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from incident_mcp.incidentio.follow_ups import follow_ups
from incident_mcp.incidentio.follow_ups.lists import with_references
from incident_mcp.incidentio.follow_ups.records import FollowUp
from incident_mcp.incidentio.incidents.seen import remember_rows
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.oncall.escalations import Escalation, find_escalations
from incident_mcp.incidentio.oncall.on_call import State, states_now
from incident_mcp.incidentio.oncall.paged import describe_reachable, users_on
from incident_mcp.incidentio.oncall.reachability import YES, Reachability, reachability_of
from incident_mcp.incidentio.oncall.schedules import SCHEDULES
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.users import User
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.records.clock import utc_now
from incident_mcp.records.instants import format_duration, parse_instant, to_second
from incident_mcp.records.record import Listed, Record, shorten
from incident_mcp.records.text import one_line
from incident_mcp.response.insight import INSIGHT
from incident_mcp.response.reading import Part, Reading
from incident_mcp.response.situation.impact import impact_of
from incident_mcp.response.situation.reader import OpenIncident, SituationReader, Update
from incident_mcp.response.situation.situation import Gaps, links_and_gaps
from incident_mcp.settings import Settings
from incident_mcp.tooling.dependencies import AppSettings, BothServices, Services
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

MOST_INCIDENTS, MOST_LINES = 10, 8
"""Incidents, and lines of another section, that are shown."""
MOST_NAME, MOST_TEXT = 60, 80
"""Characters of a name, and of an update's text."""
FOLLOW_UP_DAYS, MOST_FOLLOW_UPS = 30, 500
"""How far back follow-ups are read, and how many."""
MOST_READ = 2_000
"""Characters of an update that are searched for what it announces."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_NEXT = re.compile(r"\bnext\b", re.IGNORECASE)
"""Marks a sentence in which responders say what comes next."""


class HandoverIncident(Record):
    """An open incident."""

    reference: str
    name: str | None = None
    severity: str | None = None
    status: str | None = None
    lead: str | None = None
    age: str | None = None
    impact_for: str | None = None
    latest: str | None = None
    """The latest update, and its age."""
    next: list[str] | None = None
    """What its latest update announces, and what is missing."""


class Handover(Listed):
    """What is open, unanswered and due, and who takes over."""

    MARK = "Texts that end in … were cut to fit: incident_timeline has them."
    as_of: str
    incidents: list[HandoverIncident] | None = None
    pages_not_acknowledged: list[str] | None = None
    alerts_not_acknowledged: list[str] | None = None
    follow_ups: list[str] | None = None
    """Outstanding ones of the last 30 days, the oldest first: they have no due date."""
    on_call: list[str] | None = None
    """Who is on call, until when (UTC), who is next, and whether that person can be reached."""
    times: str | None = None
    problems: list[str] | None = None
    """What could not be read. An empty list was read, and has nothing."""

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result: 700 for three incidents and ten lines."""
        del rows
        sections = (self.pages_not_acknowledged, self.alerts_not_acknowledged, self.follow_ups, self.on_call)
        return 150 + 80 * len(self.incidents or ()) + 31 * sum(len(lines or ()) for lines in sections)


async def handover(
    services: BothServices,
    settings: AppSettings,
    schedule: Annotated[str | None, Field(description="The schedule handed over; default: all.")] = None,
) -> Handover:
    """Get a handover: open incidents with next steps, unanswered pages and alerts, follow-ups, who is next on call."""
    chosen = None
    if schedule is not None and services.incidentio is not None:
        chosen = (await find(services.incidentio, SCHEDULES, schedule)).id
    reader = _HandoverReader(services, settings)
    await reader.read(chosen)
    if services.incidentio is not None:
        await remember_rows(services.incidentio, reader.open.shown)
    return reader.to_handover()


class _HandoverReader:
    """Reads the parts of a handover; one that cannot be read becomes a problem."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self.services = services
        self.settings = settings
        self.open = SituationReader(services, utc_now(), MOST_INCIDENTS)
        self.reading: Reading = self.open.reading
        self.problems = self.reading.problems
        self.pages: list[str] | None = None
        self.follow_ups: list[str] | None = None
        self.on_call: list[str] | None = None

    async def read(self, schedule: str | None) -> None:
        """Read all parts."""
        await self.open.read(self.settings)
        if (api := self.services.incidentio) is not None:
            parts = [
                Part("pages", "", api, partial(self._read_pages, api)),
                Part("follow-ups", "", api, partial(self._read_follow_ups, api), requests=4),
                Part("who is on call", "", api, partial(self._read_on_call, api, schedule), requests=20),
            ]
            await self.reading.read(parts)

    async def _read_pages(self, api: Api) -> None:
        """Read the pages that nobody acknowledged."""
        query = [("status[one_of]", "triggered"), ("status[one_of]", "pending")]
        rows = await find_escalations(api, query)
        waiting = [row for row in rows if row.status in (None, "triggered", "pending")]
        self._check(rows, "page")
        more = _Rest(len(waiting))
        oldest = sorted(waiting, key=lambda row: row.created_at or "")
        self.pages = more.add_to([_describe_page(row, self.open.now) for row in oldest])

    async def _read_follow_ups(self, api: Api) -> None:
        """Read what is left to do of the last weeks: follow-ups have no due date."""
        since = to_second(self.open.now - timedelta(days=FOLLOW_UP_DAYS))[:10]
        request = follow_ups.LIST.request([("created_at[gte]", since)])
        rows = await read_rows(api, request, FollowUp, limit=MOST_FOLLOW_UPS)
        left = sorted((row for row in rows if row.status == "outstanding"), key=lambda row: row.created_at or "")
        self._check(rows, "follow-up")
        more = _Rest(len(left))
        shown = await with_references(api, left[:MOST_LINES], None)
        self.follow_ups = more.add_to([_describe_follow_up(row) for row in shown])

    def _check(self, rows: Rows[Any], row: str) -> None:
        """Add what was not read of a list to the problems."""
        self.problems.add_unreadable(rows.unreadable, row)
        if not rows.complete:
            self.problems.add(f"There are more {row}s: {len(rows)} were read.")

    async def _read_on_call(self, api: Api, schedule: str | None) -> None:
        """Read who is on call and who is next, and whether those can be reached."""
        chosen = None if schedule is None else await find(api, SCHEDULES, schedule)
        states, _, note, unreadable = await states_now(api, chosen)
        shown = states[:MOST_LINES]
        following = [user for state in shown for user in users_on(state.schedule.next_shifts)]
        reachable = {each.id: each for each in await reachability_of(api, following)}
        self.on_call = [_describe_state(state, reachable) for state in shown]
        if len(states) > len(shown):
            self.problems.add(f"{len(states) - len(shown)} more schedules are not shown: pass a schedule.")
        if note:
            self.problems.add(note)
        self.problems.add_unreadable(unreadable, "schedule")

    def to_handover(self) -> Handover:
        """Return what was read."""
        reader = self.open
        _, gaps = links_and_gaps(reader, self.settings)
        incidents = None if reader.open is None else [self._incident(row, gaps or Gaps()) for row in reader.shown]
        hidden = len(reader.open or ()) - len(reader.shown)
        if hidden:
            self.problems.add(f"{hidden} more open incidents are not shown: situation lists them.")
        return Handover(
            as_of=to_second(reader.now),
            incidents=incidents,
            pages_not_acknowledged=self.pages,
            alerts_not_acknowledged=self._alerts(gaps or Gaps()),
            follow_ups=self.follow_ups,
            on_call=self.on_call,
            times="UTC" if self.on_call else None,
            problems=self.problems.lines() or None,
        )

    def _incident(self, row: OpenIncident, gaps: Gaps) -> HandoverIncident:
        now, update = self.open.now, self.open.latest(row)
        return HandoverIncident(
            reference=row.reference,
            name=shorten(row.name or "", MOST_NAME) or None,
            severity=row.severity,
            status=row.status,
            lead=row.lead,
            age=_since(now, row.created_at),
            impact_for=impact_of(self.open, row),
            latest=_describe_update(update, now) if update else None,
            next=[*_announced(update), *_missing(row.reference, gaps)] or None,
        )

    def _alerts(self, gaps: Gaps) -> list[str] | None:
        """Return the alerts that nobody acknowledged; None if they were not read."""
        if self.open.alerts is None:
            return None
        waiting = [alert for alert in self.open.alerts if alert.acknowledged_at is None]
        more = _Rest(len(waiting))
        return more.add_to([_describe_alert(alert, self.open.now, gaps) for alert in waiting])


class _Rest:
    """How many rows there are beyond those that are shown."""

    def __init__(self, count: int) -> None:
        self.hidden = max(0, count - MOST_LINES)

    def add_to(self, lines: Sequence[str]) -> list[str]:
        """Return the lines that are shown, and one that counts the others."""
        shown = list(lines[:MOST_LINES])
        if self.hidden:
            shown.append(f"and {self.hidden} more")
        return shown


def _describe_page(page: Escalation, now: datetime) -> str:
    title = shorten(one_line(page.title or "without a title"), MOST_NAME)
    whom = ", ".join(page.notified[:3]) or "nobody yet"
    about = f", for {', '.join(page.incidents[:3])}" if page.incidents else ""
    age = _since(now, parse_instant(page.created_at))
    return f"{page.id} {title}: notified {whom}{f' {age} ago' if age else ''}{about}"


def _describe_follow_up(row: FollowUp) -> str:
    title = shorten(one_line(row.title or "without a title"), MOST_NAME)
    return f"{title} ({row.assignee or row.assignee_team or 'nobody'}, {row.reference})"


def _describe_alert(alert: Alert, now: datetime, gaps: Gaps) -> str:
    title = shorten(one_line(alert.title or "without a title"), MOST_NAME)
    named = " ".join(filter(None, (str(alert.id), alert.severity, title)))
    age = _since(now, parse_instant(alert.started_at))
    facts = [f"for {age}" if age else "", "not declared" if alert.id in (gaps.not_declared or ()) else ""]
    return ", ".join(filter(None, (named, *facts)))


def _describe_state(state: State, reachable: dict[str, Reachability]) -> str:
    following = [_describe_next(reachable.get(user.id), user) for user in users_on(state.schedule.next_shifts)]
    return state.line(with_next=False) + (f", then {', '.join(following)}" if following else ", next unknown")


def _describe_next(reachability: Reachability | None, user: User) -> str:
    described = describe_reachable(reachability, user)
    return f"{described} (can be reached)" if reachability and reachability.reachable == YES else described


def _describe_update(update: Update, now: datetime) -> str | None:
    text = shorten(one_line((update.message or "")[:MOST_READ]), MOST_TEXT) or (
        update.status and f"now {update.status}"
    )
    age = _since(now, update.created_at)
    by = ", ".join(filter(None, (f"{age} ago" if age else "", update.updater)))
    return ": ".join(filter(None, (by, text))) or None


def _announced(update: Update | None) -> list[str]:
    """Return what an update announces, quoted: `next` in its sentences."""
    sentences = _SENTENCE.split((update.message or "")[:MOST_READ] if update else "")
    found = [one_line(each) for each in sentences if _NEXT.search(each)]
    return [f'update: "{shorten(each, MOST_TEXT)}"' for each in found[:1]]


def _missing(reference: str, gaps: Gaps) -> list[str]:
    """Return what is missing of an incident, and what to do."""
    steps = {
        "assign a lead": gaps.no_lead,
        "post an update": gaps.no_recent_update,
        "its check has recovered: confirm, then end it": gaps.check_recovered,
    }
    return [step for step, references in steps.items() if reference in (references or ())]


def _since(now: datetime, time: datetime | None) -> str | None:
    return None if time is None else format_duration((now - time).total_seconds())


TOOLS = [
    read_tool(
        handover,
        "Hand over",
        toolset=INSIGHT,
        keywords="handover shift change takes over relief end of shift morning summary next person",
    )
]
