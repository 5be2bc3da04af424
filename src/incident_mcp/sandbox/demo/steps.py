"""The steps of the demo: each calls tools, checks the answers and shows them.

`STEPS` is the walk: another step is another row.
"""

from collections.abc import Awaitable, Callable, Iterable
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
    """Show what is open in both services, and pick the worst alert that nobody looks after."""
    answer = await _situation(call)
    incidents, alerts, gaps = answer["incidents"], answer["ionhour_incidents"], answer["gaps"]
    rows = [{**row, "named": f"{row['name']} ({row.get('lead', 'no lead')})"} for row in incidents]
    columns = {"reference": "Incident", "severity": "Severity", "status": "Status", "age": "Age"}
    walk.show(table(rows, columns | {"named": "Name (lead)"}))
    rows = [{"state": "ACTIVE", **row, "seen": "yes" if row.get("acknowledged") else "NO"} for row in alerts]
    columns = {"id": "Alert", "severity": "Sev.", "state": "State", "age": "Age", "seen": "Ack."}
    walk.row("", table(rows, columns | {"title": "Title"}))
    walk.row("", _joined(answer, *_GAPS))
    waiting = [row for row in alerts if not row.get("acknowledged") and row["id"] in gaps["not_declared"]]
    expect(bool(waiting) and waiting[0]["severity"] == "P1", "No P1 waits for somebody to see and declare it.")
    walk.alert = waiting[0]
    expect(bool(answer["links"]), "No outage stands in both services.")
    unseen = f"{walk.alert['id']}, {walk.alert['title']}: unseen for {walk.alert['age']}, and not declared."
    walk.row("", Text(unseen, style="yellow"))


async def dry_run(walk: Walk, call: Caller) -> None:
    """Ask what declaring from the alert would send."""
    answer = await call("declare_from_ionhour", ionhour_incident_id=walk.alert["id"], dry_run=True)
    request = answer.get("would_send", {})
    body: Json = request.get("body", {})
    expect(answer.get("dry_run") is True and "incident" not in answer, "It does not say that nothing was written.")
    expect(bool(body.get("severity_id")), "The alert's priority was not made a severity of the account.")
    expect(f"Ionhour incident {walk.alert['id']}" in body["summary"], "The summary does not name the alert.")
    title = f"{request['method']} {request['path']}"
    walk.show(Panel(facts(body, *body), title=title, title_align="left", border_style="dim"))
    walk.row("", facts(answer, "severity_by", "note"))


async def declare(walk: Walk, call: Caller) -> None:
    """Declare the incident."""
    answer = await call("declare_from_ionhour", **_declaration(walk))
    walk.incident = answer["incident"]
    expect(_outcomes(answer) == {"declare": "done", "note": "done", "acknowledge": "done"}, f"Not all done: {answer}")
    expect(walk.incident["severity"] == "Major", f"It is not Major: {answer}")
    walk.declared += 1
    walk.show(facts(walk.incident, "reference", "name", "severity", "status", "permalink"))
    walk.row("", table(answer["steps"], {"step": "Step", "outcome": "Outcome"}))


async def declare_again(walk: Walk, call: Caller) -> None:
    """Declare it once more, as an assistant does whose first answer was lost."""
    answer = await call("declare_from_ionhour", **_declaration(walk))
    walk.declared += _outcomes(answer)["declare"] == "done"
    expect(set(_outcomes(answer).values()) == {"done before"}, f"Something was done twice: {answer}")
    expect(answer["incident"]["id"] == walk.incident["id"], "The repeat answers with another incident.")
    walk.show(facts(answer["incident"], "reference", "name"))
    walk.row("", table(answer["steps"], {"step": "Step", "outcome": "Outcome", "why": ""}))


async def count(walk: Walk, call: Caller) -> None:
    """Count the incidents of our name, whatever their state, and the notes on the alert."""
    answer = await call("incidentio_list_incidents", name_contains=NAME)
    rows = answer["incidents"]
    walk.show(table(rows, {"reference": "Incident", "severity": "Severity", "status": "Status", "name": "Name"}))
    expect(len(rows) == walk.declared == 1, f"{len(rows)} incidents have this name, and there should be 1.")
    notes = (await call("ionhour_list_notes", incident_id=walk.alert["id"]))["notes"]
    walk.show(table(notes, {"id": "Note", "body": "Text"}))
    naming = [row for row in notes if walk.incident["reference"] in row["body"]]
    expect(len(naming) == 1, f"{len(naming)} notes name the incident, and there should be 1.")


async def see_the_link(walk: Walk, call: Caller) -> None:
    """Show that the situation now joins the alert and the incident."""
    answer = await _situation(call)
    expect(walk.alert["id"] not in answer["gaps"]["not_declared"], "The alert still counts as not declared.")
    ours = (walk.incident["reference"], walk.alert["id"])
    expect(ours in [(link["incident"], link["ionhour_incident"]) for link in answer["links"]], "They are not joined.")
    walk.show(_joined(answer, "not_declared"))


async def write_a_note(walk: Walk, call: Caller) -> None:
    """Write what was found where the next person on the alert reads it."""
    answer = await call("ionhour_create_note", incident_id=walk.alert["id"], body=FINDING)
    expect(answer.get("body") == FINDING, f"The note reads otherwise: {answer}")
    walk.show(facts(answer, "id", "created_at"))


async def misspell(walk: Walk, call: Caller) -> None:
    """Escalate with a word that this account does not use."""
    reference = walk.incident["reference"]
    refusal = await call.refused("incidentio_edit_incident", incident=reference, severity="SEV1")
    expect("Critical" in refusal and "Not sent" in refusal, f"The refusal does not say what to do: {refusal}")
    walk.show(Panel(Text(refusal), title="not sent", title_align="left", border_style="yellow"))


async def escalate(walk: Walk, call: Caller) -> None:
    """Raise the severity."""
    reference = walk.incident["reference"]
    answer = await call(
        "incidentio_edit_incident", incident=reference, severity="Critical", notify_incident_channel=True
    )
    expect(answer["severity"] == "Critical", f"The severity is {answer['severity']}.")
    walk.show(facts(answer, "reference", "severity", "status"))


async def post_first_update(walk: Walk, call: Caller) -> None:
    """Say what was found, and move the status."""
    message = "Cause found: release 4.2 of checkout-api fails at start-up. Rolling back."
    await _update(walk, call, message, "Fixing")


async def post_second_update(walk: Walk, call: Caller) -> None:
    """Say that it works again."""
    await _update(walk, call, "Rolled back. Payments go through again; we keep watching.", "Monitoring")


async def close(walk: Walk, call: Caller) -> None:
    """Close the incident with a last word."""
    message = "Payments hold. The release stays out until its start-up is tested."
    answer = await call("incidentio_close_incident", incident=walk.incident["reference"], message=message)
    expect(answer["status_category"] == "closed", f"The status is {answer.get('status')}.")
    walk.show(facts(answer, "status", "status_category", "updated_at"))


async def read_the_story(walk: Walk, call: Caller) -> None:
    """Read the whole story, from both services in one list."""
    answer = await call("incident_timeline", incident=walk.incident["reference"])
    entries: list[Json] = answer["entries"]
    rows = [{"clock": row["at"][11:16], "from": row["source"], "what": _describe(row)} for row in entries]
    walk.show(table(rows, {"clock": "UTC", "from": "From", "what": "What happened"}))
    expect([row["at"] for row in entries] == sorted(row["at"] for row in entries), "It is not in order.")
    expect({"opened", "acknowledged", "note"} <= _kinds(entries, "Ionhour"), "The alert's part is not whole.")
    statuses = [row["status"] for row in entries if row["source"] == "incident.io" and "status" in row]
    expect(statuses[-3:] == ["Fixing", "Monitoring", "Closed"], f"The statuses were {statuses}.")
    notes = [row for row in entries if row["kind"] == "note" and walk.incident["reference"] in row["text"]]
    expect(len(notes) == 1, f"{len(notes)} notes name the incident, and there should be 1.")


async def _situation(call: Caller) -> Json:
    answer = await call("situation")
    expect("problems" not in answer, f"Not all of it could be read: {answer.get('problems')}")
    return answer


def _declaration(walk: Walk) -> Json:
    return {"ionhour_incident_id": walk.alert["id"], "name": NAME, "severity": "Major", "acknowledge": True}


def _outcomes(answer: Json) -> dict[str, str]:
    return {row["step"]: row["outcome"] for row in answer["steps"]}


def _joined(answer: Json, *gaps: str) -> Table:
    """Show which incidents and alerts are one outage, and these gaps."""
    pairs = [f"{link['incident']} and {link['ionhour_incident']}" for link in answer["links"]]
    shown = {"One outage": "; ".join(pairs)}
    shown |= {_GAPS[gap]: ", ".join(map(str, answer["gaps"].get(gap, ["none"]))) for gap in gaps}
    return facts(shown, *shown)


def _describe(row: Json) -> str:
    """Describe an entry in a line: what changed, then its text."""
    changed = ", ".join(row[name] for name in ("status", "severity") if name in row)
    return ": ".join(filter(None, (changed, row.get("text") or ("" if changed else row["kind"]))))


def _kinds(entries: Iterable[Json], source: str) -> set[str]:
    return {row["kind"] for row in entries if row["source"] == source}


async def _update(walk: Walk, call: Caller, message: str, status: str) -> None:
    answer = await call("incidentio_post_update", incident=walk.incident["reference"], message=message, status=status)
    expect(answer["status"] == status, f"The status is {answer['status']}.")
    walk.show(facts(answer, "status", "severity", "updater", "created_at"))


Act = Callable[[Walk, Caller], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One step of the walk."""

    title: str
    why: str
    act: Act


STEPS = (
    Step(
        "What is on fire?",
        "One call over both services: what is open, which of it is one outage, what is missing. Two things belong"
        " together because one names the other, never because their names are alike.",
        see_the_situation,
    ),
    Step(
        "Declare from the alert: dry run",
        "Declaring alerts people. A dry run shows the exact request, built from the alert's fields, and sends nothing.",
        dry_run,
    ),
    Step(
        "Declare from the alert",
        "With a name of our own, and as Major: so far only cards fail. The same call puts a note with the reference on"
        " the alert, and acknowledges it, so that it pages nobody further.",
        declare,
    ),
    Step(
        "Declare again, by mistake",
        "A reply gets lost, and the assistant tries again. Each part is found done: nobody is alerted twice.",
        declare_again,
    ),
    Step("Count", "Declared in two calls; there must be one incident and one note that names it.", count),
    Step("What is on fire now?", "The alert and the incident are known as one outage, to everybody.", see_the_link),
    Step("Write down a finding", "A note on the alert, for whoever looks there first.", write_a_note),
    Step("Post an update", "One call informs the people who wait, and moves the status.", post_first_update),
    Step(
        "A wrong word",
        "By now nothing can be paid at all. Escalating to SEV1, which this account does not have: nothing is sent, and"
        " the answer says what to pass.",
        misspell,
    ),
    Step("Escalate", "With a word from that answer. An edit changes only what it names.", escalate),
    Step("Post another update", "The fix is out.", post_second_update),
    Step("Close", "Finds the account's own closed status, and closes with a last update.", close),
    Step(
        "Read the whole story",
        "Both services in one list, oldest first. Ionhour resolves its half by itself when the check recovers.",
        read_the_story,
    ),
)
