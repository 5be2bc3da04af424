"""A made-up night on the sandbox's clock, with its own log of what happened, written without the product's code."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import Call
from incident_mcp.sandbox.incidentio.account import API_KEY_ACTOR
from incident_mcp.sandbox.incidentio.incident_changes import record_update
from tests.conftest import NOW

Json = dict[str, Any]
SOURCES = {
    "incident.io's incidents": r"^/v2/incidents$",
    "incident.io's updates": r"^/v2/incident_updates$",
    "incident.io's pages": r"^/v2/escalations$",
    "incident.io's alerts": r"^/v2/alerts$",
    "Ionhour's alerts": r"^/api/incidents$",
}
"""What an answer calls a source, to the path that it is read from."""
PAGES = ("page_unanswered", "page_expired")
"""Kinds whose text names who was paged."""
MANY = 12
PAGE_ENDS_AFTER = timedelta(seconds=900)


@dataclass
class Page:
    id: str
    title: str
    began: datetime
    outcome: str | None = None


@dataclass
class World:
    """Both services, empty at the start, and what happened there."""

    box: Sandbox = field(default_factory=lambda: Sandbox(now=NOW))
    once: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Changes that are reported exactly once, whatever happens later: kind, and what it is known by."""
    log: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """All changes, those that a later one makes irrelevant included."""
    severity: dict[str, int] = field(default_factory=dict[str, int])
    """Open incidents to the place of their severity."""
    leads: dict[str, str] = field(default_factory=dict[str, str])
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    firing: dict[str, str] = field(default_factory=dict[str, str])
    """Titles of incident.io's firing alerts to their IDs."""
    ionhour: dict[int, str] = field(default_factory=dict[int, str])
    """Ionhour's alerts to their states."""
    down: set[str] = field(default_factory=set[str])
    number: int = 0

    def __post_init__(self) -> None:
        account = self.box.incidentio
        for rows in (account.incidents, account.updates, account.rows["escalations"], account.rows["alerts"]):
            self.alert_row: Json = dict(account.rows["alerts"][0]) if account.rows["alerts"] else self.alert_row
            rows.clear()
        account.paging.runs.clear()
        self.ionhour_row: Json = dict(self.box.ionhour.incidents[0])
        self.box.ionhour.incidents.clear()
        self.severities = sorted(account.severities, key=lambda row: row["rank"])

    @property
    def now(self) -> datetime:
        return self.box.incidentio.clock.now

    def note(self, kind: str, known_by: object, *, once: bool = True) -> None:
        self.log.append((kind, str(known_by)))
        if once:
            self.once.append((kind, str(known_by)))

    def tag(self) -> str:
        self.number += 1
        return f"w{self.number}"

    def request(self, method: str, template: str, body: Json | None, **path: str) -> Json:
        self.box.incidentio.run_timers()
        reply = self.box.incidentio.routes[method, template](Call(path, [], body))
        return reply.body if isinstance(reply.body, dict) else {}

    # What may happen. Each takes a number that chooses among what there is.

    def wait(self, seconds: int) -> None:
        self.box.advance(seconds)

    def declare(self, choice: int) -> str:
        place = choice % len(self.severities)
        body = {
            "idempotency_key": self.tag(),
            "visibility": "public",
            "name": self.tag(),
            "severity_id": self.severities[place]["id"],
        }
        reference: str = self.request("POST", "/v2/incidents", body)["incident"]["reference"]
        self.severity[reference] = place
        self.leads[reference] = ""
        self.note("new", reference)
        return reference

    def declare_late(self, choice: int) -> None:
        """Declare an incident that appears with times of up to four minutes ago, as does its first message.

        Not after many other changes: a cursor knows 40 of a source.
        """
        if self._recent(self.box.incidentio.updates) + self._recent(self.box.incidentio.incidents) > MANY:
            return
        began = self.now - timedelta(seconds=choice % 240, microseconds=choice)
        reference = self.declare(choice)
        self._row(reference).update(dict.fromkeys(("created_at", "updated_at"), rfc3339(began)))
        self.box.incidentio.updates[-1]["created_at"] = rfc3339(began)
        text = self.tag()
        record_update(self.box.incidentio, self._row(reference), began, API_KEY_ACTOR, text)
        self.note("update", text)

    def post(self, choice: int) -> None:
        """Post a message, with another severity in two of three cases."""
        reference = self._pick(self.severity, choice)
        if reference is None:
            return
        place = (self.severity[reference] + choice % 3) % len(self.severities)
        raised = place > self.severity[reference]
        self._post(reference, "severity_up" if raised else "update", to_severity_id=self.severities[place]["id"])
        self.severity[reference] = place

    def resolve(self, choice: int) -> None:
        reference = self._pick(self.severity, choice)
        if reference is None:
            return
        [closed, *_] = [row for row in self.box.incidentio.statuses if row["category"] == "closed"]
        self._post(reference, "resolved", to_incident_status_id=closed["id"])
        del self.severity[reference]

    def _post(self, reference: str, kind: str, **changes: str) -> None:
        text = self.tag()
        body = {
            "incident_id": self._row(reference)["id"],
            "idempotency_key": self.tag(),
            "message": text,
            **changes,
        }
        self.request("POST", "/v2/incident_updates", body)
        self.note(kind, text)

    def burst(self, choice: int) -> None:
        """Post many messages within one microsecond."""
        reference = self._pick(self.severity, choice)
        if reference is None:
            return
        instant = self.box.incidentio.clock.tick()
        for _ in range(choice % 60):
            text = self.tag()
            record_update(self.box.incidentio, self._row(reference), instant, API_KEY_ACTOR, text)
            self.note("update", text)

    def lead(self, choice: int) -> None:
        reference = self._pick(self.severity, choice)
        if reference is None:
            return
        account = self.box.incidentio
        role = next(row for row in account.roles if row["role_type"] == "lead")
        user = account.users[choice % 4]
        body: Json = {
            "incident": {
                "incident_role_assignments": [{"incident_role_id": role["id"], "assignee": {"id": user["id"]}}]
            },
            "notify_incident_channel": False,
        }
        self.request("POST", "/v2/incidents/{id}/actions/edit", body, id=self._row(reference)["id"])
        if self.leads[reference] != user["name"]:
            self.note("lead_changed", reference, once=False)
        self.leads[reference] = user["name"]

    def page(self, choice: int) -> None:
        del choice
        sam = next(user for user in self.box.incidentio.users if user["name"] == "Sam Okafor")
        title = self.tag()
        body = {"idempotency_key": self.tag(), "title": title, "user_ids": [sam["id"]]}
        made = self.request("POST", "/v2/escalations", body)["escalation"]
        assert made["status"] == "triggered"
        self.note("page_unanswered", title, once=False)
        self.pages[title] = Page(made["id"], title, datetime.fromisoformat(made["created_at"]))

    def answer(self, choice: int) -> None:
        if page := self._ringing(choice):
            path = "/v2/escalations/{escalation_id}/actions/respond"
            self.request("POST", path, {"response": "ack"}, escalation_id=page.id)
            self._end(page, "page_answered")

    def cancel(self, choice: int) -> None:
        if page := self._ringing(choice):
            self.request("POST", "/v2/escalations/{id}/actions/cancel", None, id=page.id)
            self._end(page, "page_ended")

    def _ringing(self, choice: int) -> Page | None:
        self.expire()
        title = self._pick({page.title: 0 for page in self.pages.values() if page.outcome is None}, choice)
        return self.pages[title] if title else None

    def _end(self, page: Page, outcome: str) -> None:
        page.outcome = outcome
        self.note(outcome, page.title)

    def expire(self) -> None:
        """Note the pages that nobody answered in time."""
        for page in self.pages.values():
            if page.outcome is None and self.now >= page.began + PAGE_ENDS_AFTER:
                self._end(page, "page_expired")

    def fire(self, choice: int) -> None:
        """Let an alert fire, up to four minutes before it appears."""
        is_late = self._recent(self.box.incidentio.rows["alerts"]) < MANY
        title, instant = self.tag(), self.now - timedelta(seconds=choice % 240 * is_late)
        self.firing[title] = ulid(instant, title)
        times = dict.fromkeys(("created_at", "updated_at"), rfc3339(instant))
        row = {**self.alert_row, "id": self.firing[title], "title": title, "status": "firing", **times}
        row.pop("resolved_at", None)
        self.box.incidentio.rows["alerts"].append(row)
        self.note("alert_opened", title, once=False)

    def recover(self, choice: int) -> None:
        title = self._pick(self.firing, choice)
        if title is None:
            return
        row = next(row for row in self.box.incidentio.rows["alerts"] if row["title"] == title)
        instant = rfc3339(self.box.incidentio.clock.tick())
        row |= {"status": "resolved", "resolved_at": instant, "updated_at": instant}
        del self.firing[title]
        self.note("alert_recovered", title)

    def ionhour_open(self, choice: int) -> None:
        number = 9_001 + len(self.ionhour)
        started = self.box.ionhour.clock.tick() - timedelta(seconds=choice % 3_000)
        times = dict.fromkeys(("recoveredAt", "resolvedAt", "acknowledgedAt"))
        row = {**self.ionhour_row, "id": number, "state": "ACTIVE", "startedAt": rfc3339(started), **times}
        self.box.ionhour.incidents.append(row)
        self.ionhour[number] = "ACTIVE"
        self.note("alert_opened", number, once=False)

    def ionhour_move(self, choice: int) -> None:
        """Let an alert recover, be resolved, or fail again, whatever its state allows."""
        number = self._pick(self.ionhour, choice)
        if number is None:
            return
        moves = {
            "ACTIVE": ["MONITORING", "RESOLVED"],
            "MONITORING": ["RESOLVED", "ACTIVE"],
            "RESOLVED": ["ACTIVE"],
        }[self.ionhour[number]]
        state = moves[choice // 7 % len(moves)]
        row = next(row for row in self.box.ionhour.incidents if row["id"] == number)
        instant = rfc3339(self.box.ionhour.clock.tick())
        row["state"] = state
        if state == "MONITORING" or (state == "RESOLVED" and self.ionhour[number] == "ACTIVE"):
            row["recoveredAt"] = instant
        row["resolvedAt"] = instant if state == "RESOLVED" else None
        if _health(state) != _health(self.ionhour[number]):
            self.note("alert_opened" if state == "ACTIVE" else "alert_recovered", number, once=False)
        self.ionhour[number] = state

    def fail(self, choice: int) -> None:
        source = list(SOURCES)[choice % len(SOURCES)]
        self.down.add(source)
        self.box.fail(Fault("status", path=SOURCES[source], status=403))

    def heal(self, choice: int = 0) -> None:
        del choice
        self.down.clear()
        self.box.heal()

    def _recent(self, rows: list[Json]) -> int:
        """Return how many rows are so recent that a cursor holds their changes."""
        return sum(self.now - datetime.fromisoformat(row["created_at"]) < timedelta(minutes=10) for row in rows)

    def _row(self, reference: str) -> Json:
        return next(row for row in self.box.incidentio.incidents if row["reference"] == reference)

    @staticmethod
    def _pick(of: dict[Any, Any], choice: int) -> Any:
        return list(of)[choice % len(of)] if of else None


EVENTS: dict[str, Callable[[World, int], object]] = {
    name: getattr(World, name)
    for name in (
        *("declare", "declare_late", "post", "resolve", "burst", "lead", "page", "answer", "cancel"),
        *("fire", "recover", "ionhour_open", "ionhour_move", "wait"),
    )
}


@dataclass
class Told:
    """What the answers reported, checked against the world as they arrive."""

    world: World
    log: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    once: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    rings: list[str] = field(default_factory=list[str])
    opened: list[str] = field(default_factory=list[str])
    leads: dict[str, str] = field(default_factory=dict[str, str])
    ionhour: dict[int, str] = field(default_factory=dict[int, str])

    def add(self, changes: list[Json]) -> None:
        self.world.expire()
        for change in changes:
            known_by = change.get("ionhour_incident") or change.get("text") or change.get("title") or change["incident"]
            subject = change["title"] if change["kind"] in PAGES else str(known_by)
            self.log.append((change["kind"], subject))
            self._add(change["kind"], change, subject)

    def _add(self, kind: str, change: Json, subject: str) -> None:
        match kind:
            case "page_unanswered":
                page = self.world.pages[change["title"]]
                assert page.outcome is None, "it rings no more"
                assert change["escalation_id"] == page.id
                self.rings.append(page.title)
            case "lead_changed":
                self._lead(change["incident"], change["lead"])
            case "alert_opened" | "alert_recovered" if "ionhour_incident" in change:
                self._ionhour(change["ionhour_incident"], kind)
            case "alert_opened":
                assert change["title"] in self.world.firing, "it fires no more"
                self.opened.append(change["title"])
            case "update" if "text" not in change:
                # A declaration's own update, which cannot be told from others without the incidents.
                assert "incident.io's incidents" in self.world.down
            case _:
                self.once.append((kind, subject))
                if kind == "new":
                    now = self.world.leads[change["incident"]]
                    assert _is_same(change.get("lead", ""), now)
                    self.leads[change["incident"]] = now

    def _lead(self, reference: str, lead: str) -> None:
        now = self.world.leads[reference]
        assert _is_same(lead, now), "somebody else leads now"
        assert now != self.leads[reference], "that was reported before"
        self.leads[reference] = now

    def _ionhour(self, number: int, kind: str) -> None:
        state = "failing" if kind == "alert_opened" else "well"
        assert state == _health(self.world.ionhour[number]), "it is not so now"
        assert state != self.ionhour.get(number), "that was reported before"
        self.ionhour[number] = state

    def check_complete(self) -> None:
        """Check that nothing is missing and nothing came twice, once nothing more is reported."""
        world = self.world
        assert sorted(self.once) == sorted(world.once)
        assert len(set(self.rings)) == len(self.rings)
        assert {page.title for page in world.pages.values() if page.outcome is None} <= set(self.rings)
        assert len(set(self.opened)) == len(self.opened)
        assert set(world.firing) <= set(self.opened)
        assert {number: _health(state) for number, state in world.ionhour.items()} == self.ionhour
        assert {ref: self.leads[ref] for ref in world.severity} == {ref: world.leads[ref] for ref in world.severity}


def _is_same(shown: str, whole: str) -> bool:
    """Return whether a text is another one, or its start: long answers have short texts."""
    return whole.startswith(shown.removesuffix("…")) and bool(shown) == bool(whole)


def _health(state: str) -> str:
    return "failing" if state == "ACTIVE" else "well"
