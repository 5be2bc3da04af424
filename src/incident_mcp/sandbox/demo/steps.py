"""The steps of the demo: each calls tools, checks the answers and shows them.

`STEPS` is the walk: another step is another row.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.panel import Panel
from rich.text import Text

from .walk import Caller, Json, Walk, expect, facts, table

NAME = "Checkout is down, customers cannot pay"


async def see_incidentio(walk: Walk, call: Caller) -> None:
    """Show what is live and in triage in incident.io."""
    answer = await call("incidentio_list_incidents", status_category=["triage", "live"])
    rows = answer["incidents"]
    walk.live = [row["name"] for row in rows]
    expect(bool(rows), "There is no live incident.")
    expect(NAME not in walk.live, f"{NAME!r} is there already.")
    columns = {"reference": "Incident", "severity": "Severity", "status": "Status", "name": "Name"}
    walk.show(table(rows, columns))


async def see_ionhour(walk: Walk, call: Caller) -> None:
    """Show what is open in Ionhour, and pick the alert that nobody looks after."""
    rows: list[Json] = (await call("ionhour_list_incidents", state="OPEN"))["incidents"]
    waiting = [row for row in rows if "acknowledged_at" not in row and row.get("severity") == "P1"]
    expect(bool(waiting), "There is no unacknowledged P1.")
    walk.alert = waiting[0]
    told = [
        {**row, "since": _ago(row["started_at"]), "seen": "yes" if "acknowledged_at" in row else "NO"} for row in rows
    ]
    columns = {"id": "Alert", "severity": "Sev.", "state": "State", "since": "Since", "seen": "Ack."}
    walk.show(table(told, columns | {"title": "Title"}))
    check = walk.alert["check"]
    expect(not any(check in name for name in walk.live), f"An incident about {check} is live already.")
    walk.row("", Text("Nobody has acknowledged the P1, and no live incident is about it.", style="yellow"))


async def acknowledge(walk: Walk, call: Caller) -> None:
    """Acknowledge the alert."""
    answer = await call("ionhour_acknowledge_incident", incident_id=walk.alert["id"])
    expect("acknowledged_at" in answer, "The answer does not say when it was acknowledged.")
    walk.show(facts(answer, "title", "state", "acknowledged_at"))


async def list_severities(walk: Walk, call: Caller) -> None:
    """Show the account's severities."""
    rows = (await call("incidentio_list_severities"))["severities"]
    expect({"Major", "Critical"} <= {row["name"] for row in rows}, "Major and Critical are not among them.")
    walk.show(table(rows, {"name": "Severity", "description": "Meaning"}))


async def dry_run(walk: Walk, call: Caller) -> None:
    """Ask what declaring would send."""
    answer = await call("incidentio_create_incident", **_declaration(walk), dry_run=True)
    request = answer.get("would_send", {})
    expect(answer.get("dry_run") is True and "id" not in answer, "It does not say that nothing was written.")
    expect(bool(request.get("body", {}).get("severity_id")), "The severity's name was not made an id.")
    lines = json.dumps(request["body"], indent=2, ensure_ascii=False)
    walk.show(
        Panel(Text(lines), title=f"{request['method']} {request['path']}", title_align="left", border_style="dim")
    )


async def declare(walk: Walk, call: Caller) -> None:
    """Declare the incident."""
    answer = await call("incidentio_create_incident", **_declaration(walk))
    expect(answer["status_category"] == "live" and answer["severity"] == "Major", f"It is not live and Major: {answer}")
    walk.incident = answer
    walk.declared += "repeated" not in answer
    walk.show(facts(answer, "reference", "name", "severity", "status", "permalink"))


async def declare_again(walk: Walk, call: Caller) -> None:
    """Declare it once more, as an assistant does whose first answer was lost."""
    answer = await call("incidentio_create_incident", **_declaration(walk))
    walk.declared += "repeated" not in answer
    expect(answer.get("repeated") is True, "The repeat was not recognised.")
    expect(answer["id"] == walk.incident["id"], "The repeat made a second incident.")
    walk.show(facts(answer, "reference", "repeated", "note"))


async def note_the_link(walk: Walk, call: Caller) -> None:
    """Put the incident's reference and address on the alert."""
    reference, link = walk.incident["reference"], walk.incident["permalink"]
    body = f"Declared in incident.io as {reference}: {link}"
    answer = await call("ionhour_create_note", incident_id=walk.alert["id"], body=body)
    expect(answer.get("body") == body, f"The note reads otherwise: {answer}")
    walk.show(facts(answer, "id", "created_at"))


async def post_first_update(walk: Walk, call: Caller) -> None:
    """Say what was found, and move the status."""
    message = "Cause found: release 4.2 of checkout-api fails at start-up. Rolling back."
    await _update(walk, call, message, "Fixing")


async def misspell(walk: Walk, call: Caller) -> None:
    """Escalate with a word that this account does not use."""
    reference = walk.incident["reference"]
    said = await call.refused("incidentio_edit_incident", incident=reference, severity="SEV1")
    expect("Critical" in said and "Not sent" in said, f"The refusal does not say what to do: {said}")
    walk.show(Panel(Text(said), title="refused", title_align="left", border_style="yellow"))


async def escalate(walk: Walk, call: Caller) -> None:
    """Raise the severity."""
    reference = walk.incident["reference"]
    answer = await call(
        "incidentio_edit_incident", incident=reference, severity="Critical", notify_incident_channel=True
    )
    expect(answer["severity"] == "Critical", f"The severity is {answer['severity']}.")
    walk.show(facts(answer, "reference", "severity", "status"))


async def post_second_update(walk: Walk, call: Caller) -> None:
    """Say that it works again."""
    await _update(walk, call, "Rolled back. Payments go through again; we keep watching.", "Monitoring")


async def close(walk: Walk, call: Caller) -> None:
    """Close the incident with a last word."""
    message = "Payments hold. The release stays out until its start-up is tested."
    answer = await call("incidentio_close_incident", incident=walk.incident["reference"], message=message)
    expect(answer["status_category"] == "closed", f"The status is {answer.get('status')}.")
    walk.show(facts(answer, "status", "status_category", "updated_at"))


async def read_the_alert(walk: Walk, call: Caller) -> None:
    """Read the alert's own timeline and its notes."""
    alert = walk.alert["id"]
    events = (await call("ionhour_list_events", incident_id=alert))["events"]
    expect({"OPENED", "ACKNOWLEDGED"} <= {row["type"] for row in events}, "It was not opened and acknowledged.")
    walk.show(table(map(_with_clock, events), {"clock": "UTC", "type": "Event", "message": "Message"}))
    notes = (await call("ionhour_list_notes", incident_id=alert))["notes"]
    expect(any(walk.incident["reference"] in row["body"] for row in notes), "The note with the link is not there.")
    walk.show(table(map(_with_clock, notes), {"clock": "UTC", "body": "Note"}))


async def read_the_updates(walk: Walk, call: Caller) -> None:
    """Read what was told; the list has the newest first, the reader wants the oldest."""
    rows = (await call("incidentio_list_updates", incident=walk.incident["reference"]))["incident_updates"]
    told = [(row["status"], row["severity"]) for row in rows if "message" in row]
    expect(
        told == [("Closed", "Critical"), ("Monitoring", "Critical"), ("Fixing", "Major")],
        f"Told were, newest first: {told}",
    )
    columns = {"clock": "UTC", "status": "Status", "severity": "Severity", "message": "Message"}
    walk.show(table(map(_with_clock, reversed(rows)), columns))


async def count(walk: Walk, call: Caller) -> None:
    """Count the incidents that the account has by our name, whatever their state."""
    rows = (await call("incidentio_list_incidents", sort_by="created_at_newest_first", limit=250))["incidents"]
    ours = [row for row in rows if row["name"] == NAME]
    walk.show(table(ours, {"reference": "Incident", "severity": "Severity", "status": "Status", "name": "Name"}))
    expect(len(ours) == walk.declared == 1, f"{len(ours)} incidents have this name, and there should be 1.")


def _declaration(walk: Walk) -> Json:
    summary = f"Ionhour incident {walk.alert['id']}, {walk.alert['severity']}: {walk.alert['title']}."
    return {"name": NAME, "severity": "Major", "summary": summary}


async def _update(walk: Walk, call: Caller, message: str, status: str) -> None:
    answer = await call("incidentio_post_update", incident=walk.incident["reference"], message=message, status=status)
    expect(answer["status"] == status, f"The status is {answer['status']}.")
    walk.show(facts(answer, "status", "severity", "updater", "created_at"))


def _with_clock(row: Json) -> Json:
    """Add the time of day (UTC) at which it happened."""
    return {**row, "clock": str(row.get("occurred_at") or row.get("created_at"))[11:19]}


def _ago(instant: str) -> str:
    minutes = int((datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004  # two hours


Act = Callable[[Walk, Caller], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One step of the walk."""

    title: str
    why: str
    act: Act


STEPS = (
    Step("What is live in incident.io?", "Look before declaring: somebody may have done it already.", see_incidentio),
    Step("What is open in Ionhour?", "The monitor's view of the same evening.", see_ionhour),
    Step("Acknowledge the alert", "Somebody has it now, so it stops paging further people.", acknowledge),
    Step("List the severities", "They are the account's own words, so ask instead of guessing.", list_severities),
    Step(
        "Dry run",
        "Declaring wakes people. A dry run answers the exact request that would be sent, and sends nothing.",
        dry_run,
    ),
    Step("Declare", "The same call without dry_run. This one counts.", declare),
    Step(
        "Declare again, by mistake",
        "A reply gets lost, an assistant tries again. The equal call is recognised: nobody is woken twice.",
        declare_again,
    ),
    Step("Link the alert to the incident", "Who opens the alert finds the incident.", note_the_link),
    Step("Post an update", "One call tells the people who wait, and moves the status.", post_first_update),
    Step(
        "A wrong word",
        "Escalating to SEV1, which this account does not have. Nothing is sent, and the answer says what to pass.",
        misspell,
    ),
    Step("Escalate", "With a word from that answer. An edit changes only what it names.", escalate),
    Step("Post another update", "The fix is out.", post_second_update),
    Step("Close", "Finds the account's own closed status, and closes with a last update.", close),
    Step("Read back what was told", "The whole story in incident.io, oldest first.", read_the_updates),
    Step(
        "Read back the alert",
        "Its events and notes. Ionhour resolves it by itself when the check recovers.",
        read_the_alert,
    ),
    Step("Count", "Declared in two calls; the account must have one incident of that name.", count),
)
