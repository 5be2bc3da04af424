"""The steps of the demo. Each calls tools, checks the answers and shows them; its docstring is shown too."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .walk import Caller, Json, Walk, expect, facts, table

NAME = "Checkout is down, customers cannot pay"
FINDING = "All pods of checkout-api restart in a loop since release 4.2."
_GAPS = {
    "not_declared": "Not declared",
    "check_recovered": "Check recovered",
    "no_lead": "No lead",
    "no_recent_update": "No recent update",
}


async def see_the_situation(walk: Walk, call: Caller) -> None:
    """Show what is open in both services, what is linked and what is missing, in one call.

    An alert and an incident are linked only if one names the other; similar names never link them.
    """
    answer = await _situation(call)
    incidents, alerts, gaps = answer["incidents"], answer["ionhour_incidents"], answer["gaps"]
    rows = [{**row, "named": f"{row['name']} ({row.get('lead', 'no lead')})"} for row in incidents]
    columns = {"reference": "Incident", "severity": "Severity", "status": "Status", "age": "Age"}
    walk.show(table(rows, columns | {"named": "Name (lead)"}))
    rows = [{"state": "ACTIVE", **row, "seen": "yes" if row.get("acknowledged") else "NO"} for row in alerts]
    columns = {"id": "Alert", "severity": "Sev.", "state": "State", "age": "Age", "seen": "Ack."}
    walk.row("", table(rows, columns | {"title": "Title"}))
    walk.row("", _links_and_gaps(answer, *_GAPS))
    waiting = [row for row in alerts if not row.get("acknowledged") and row["id"] in gaps["not_declared"]]
    expect(bool(waiting) and waiting[0]["severity"] == "P1", "There is no P1 alert to acknowledge and declare.")
    walk.alert = waiting[0]
    expect(bool(answer["links"]), "No alert is linked to an incident.")
    unseen = f"{walk.alert['id']}, {walk.alert['title']}: not acknowledged for {walk.alert['age']}, and not declared."
    walk.row("", Text(unseen, style="yellow"))


async def dry_run(walk: Walk, call: Caller) -> None:
    """Declaring alerts people. A dry run shows the exact request, built from the alert, and sends nothing."""
    answer = await call("declare_from_ionhour", ionhour_incident_id=walk.alert["id"], dry_run=True)
    request = answer.get("would_send", {})
    body: Json = request.get("body", {})
    expect(answer.get("dry_run") is True and "incident" not in answer, "The answer is not that of a dry run.")
    expect(bool(body.get("severity_id")), "The alert's priority was not mapped to a severity of the account.")
    expect(f"Ionhour incident {walk.alert['id']}" in body["summary"], "The summary does not name the alert.")
    title = f"{request['method']} {request['path']}"
    walk.show(Panel(facts(body, *body), title=title, title_align="left", border_style="dim"))
    walk.row("", facts(answer, "severity_by", "note"))


async def declare(walk: Walk, call: Caller) -> None:
    """Declare the incident with a name of our own, and as Major, because so far only card payments fail.

    The same call adds a note with the reference to the alert, and acknowledges it, so that it pages nobody else.
    """
    answer = await call("declare_from_ionhour", **_declaration(walk))
    walk.incident = answer["incident"]
    expected = {"declare": "done", "note": "done", "acknowledge": "done"}
    expect(_outcomes(answer) == expected, f"Not every step was done: {answer}")
    expect(walk.incident["severity"] == "Major", f"The severity is not Major: {answer}")
    walk.declared += 1
    walk.show(facts(walk.incident, "reference", "name", "severity", "status", "permalink"))
    walk.row("", table(answer["steps"], {"step": "Step", "outcome": "Outcome"}))


async def declare_again(walk: Walk, call: Caller) -> None:
    """The reply is lost, so the assistant calls again. Every part is recognized as done: nobody is alerted twice."""
    answer = await call("declare_from_ionhour", **_declaration(walk))
    walk.declared += _outcomes(answer)["declare"] == "done"
    expect(set(_outcomes(answer).values()) == {"done before"}, f"A step was done twice: {answer}")
    expect(answer["incident"]["id"] == walk.incident["id"], "The second call returned another incident.")
    walk.show(facts(answer["incident"], "reference", "name"))
    walk.row("", table(answer["steps"], {"step": "Step", "outcome": "Outcome", "why": ""}))


async def check_for_duplicates(walk: Walk, call: Caller) -> None:
    """After two calls there must be one incident, and one note that names it."""
    answer = await call("incidentio_list_incidents", name_contains=NAME)
    rows = answer["incidents"]
    walk.show(table(rows, {"reference": "Incident", "severity": "Severity", "status": "Status", "name": "Name"}))
    expect(len(rows) == walk.declared == 1, f"{len(rows)} incidents have this name; there should be 1.")
    notes = (await call("ionhour_list_notes", incident_id=walk.alert["id"]))["notes"]
    walk.show(table(notes, {"id": "Note", "body": "Text"}))
    naming = [row for row in notes if walk.incident["reference"] in row["body"]]
    expect(len(naming) == 1, f"{len(naming)} notes name the incident; there should be 1.")


async def see_the_link(walk: Walk, call: Caller) -> None:
    """The alert and the incident are now linked, for everybody."""
    answer = await _situation(call)
    expect(walk.alert["id"] not in answer["gaps"]["not_declared"], "The alert still counts as not declared.")
    ours = (walk.incident["reference"], walk.alert["id"])
    expect(ours in [(link["incident"], link["ionhour_incident"]) for link in answer["links"]], "They are not linked.")
    walk.show(_links_and_gaps(answer, "not_declared"))


async def add_a_note(walk: Walk, call: Caller) -> None:
    """Add the finding to the alert, for whoever looks there first."""
    answer = await call("ionhour_create_note", incident_id=walk.alert["id"], body=FINDING)
    expect(answer.get("body") == FINDING, f"The note has another text: {answer}")
    walk.show(facts(answer, "id", "created_at"))


async def post_first_update(walk: Walk, call: Caller) -> None:
    """One call informs everybody who follows the incident, and changes the status."""
    message = "Cause found: release 4.2 of checkout-api fails at start-up. Rolling back."
    await _update(walk, call, message, "Fixing")


async def escalate_to_unknown(walk: Walk, call: Caller) -> None:
    """By now no payments succeed. This account has no SEV1: nothing is sent, and the error lists what to pass."""
    reference = walk.incident["reference"]
    error = await call.rejected("incidentio_edit_incident", incident=reference, severity="SEV1")
    expect("Critical" in error and "Not sent" in error, f"The error does not say what to pass: {error}")
    walk.show(Panel(Text(error), title="not sent", title_align="left", border_style="yellow"))


async def escalate(walk: Walk, call: Caller) -> None:
    """Pass a severity from the error. An edit changes only the fields that it names."""
    reference = walk.incident["reference"]
    answer = await call(
        "incidentio_edit_incident", incident=reference, severity="Critical", notify_incident_channel=True
    )
    expect(answer["severity"] == "Critical", f"The severity is {answer['severity']}.")
    walk.show(facts(answer, "reference", "severity", "status"))


async def post_second_update(walk: Walk, call: Caller) -> None:
    """The fix is out."""
    await _update(walk, call, "Rolled back. Payments succeed again; we are watching.", "Monitoring")


async def close(walk: Walk, call: Caller) -> None:
    """Close with a last update. The tool finds the account's own closed status."""
    message = "Payments are stable. The release stays out until its start-up is tested."
    answer = await call("incidentio_close_incident", incident=walk.incident["reference"], message=message)
    expect(answer["status_category"] == "closed", f"The status is {answer.get('status')}.")
    walk.show(facts(answer, "status", "status_category", "updated_at"))


async def read_the_timeline(walk: Walk, call: Caller) -> None:
    """Both services in one list, oldest first. Ionhour resolves the alert by itself when the check recovers."""
    answer = await call("incident_timeline", incident=walk.incident["reference"])
    entries: list[Json] = answer["entries"]
    rows = [{"clock": row["at"][11:16], "from": row["source"], "what": _describe(row)} for row in entries]
    walk.show(table(rows, {"clock": "UTC", "from": "From", "what": "What happened"}))
    _check_entries(walk, entries)


def _check_entries(walk: Walk, entries: list[Json]) -> None:
    """Check that the timeline is in order and complete."""
    expect([row["at"] for row in entries] == sorted(row["at"] for row in entries), "The entries are not in order.")
    kinds = {row["kind"] for row in entries if row["source"] == "Ionhour"}
    expect({"opened", "acknowledged", "note"} <= kinds, "Entries of the alert are missing.")
    statuses = [row["status"] for row in entries if row["source"] == "incident.io" and "status" in row]
    expect(statuses[-3:] == ["Fixing", "Monitoring", "Closed"], f"The statuses were {statuses}.")
    notes = _count_notes(entries, walk.incident["reference"])
    expect(notes == 1, f"{notes} notes name the incident; there should be 1.")


def _count_notes(entries: list[Json], reference: str) -> int:
    """Return the number of notes that name this incident."""
    return sum(row["kind"] == "note" and reference in row["text"] for row in entries)


async def _situation(call: Caller) -> Json:
    answer = await call("situation")
    expect("problems" not in answer, f"Part of it could not be read: {answer.get('problems')}")
    return answer


def _declaration(walk: Walk) -> Json:
    return {"ionhour_incident_id": walk.alert["id"], "name": NAME, "severity": "Major", "acknowledge": True}


def _outcomes(answer: Json) -> dict[str, str]:
    return {row["step"]: row["outcome"] for row in answer["steps"]}


def _links_and_gaps(answer: Json, *gaps: str) -> Table:
    """Show which incidents and alerts are linked, and these gaps."""
    pairs = [f"{link['incident']} and {link['ionhour_incident']}" for link in answer["links"]]
    shown = {"Linked": "; ".join(pairs)}
    shown |= {_GAPS[gap]: ", ".join(map(str, answer["gaps"].get(gap, ["none"]))) for gap in gaps}
    return facts(shown, *shown)


def _describe(row: Json) -> str:
    """Describe an entry in one line: what changed, then its text."""
    changed = ", ".join(row[name] for name in ("status", "severity") if name in row)
    return ": ".join(filter(None, (changed, row.get("text") or ("" if changed else row["kind"]))))


async def _update(walk: Walk, call: Caller, message: str, status: str) -> None:
    answer = await call("incidentio_post_update", incident=walk.incident["reference"], message=message, status=status)
    expect(answer["status"] == status, f"The status is {answer['status']}.")
    walk.show(facts(answer, "status", "severity", "updater", "created_at"))


Act = Callable[[Walk, Caller], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One step of the demo."""

    title: str
    act: Act

    @property
    def why(self) -> str:
        """The text under the title."""
        return " ".join((self.act.__doc__ or "").split())


STEPS = (
    Step("What is on fire?", see_the_situation),
    Step("Declare from the alert: dry run", dry_run),
    Step("Declare from the alert", declare),
    Step("Declare again, by mistake", declare_again),
    Step("Check for duplicates", check_for_duplicates),
    Step("What is on fire now?", see_the_link),
    Step("Add a note", add_a_note),
    Step("Post an update", post_first_update),
    Step("Escalate to a severity that does not exist", escalate_to_unknown),
    Step("Escalate", escalate),
    Step("Post another update", post_second_update),
    Step("Close", close),
    Step("Read the timeline", read_the_timeline),
)
