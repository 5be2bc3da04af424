"""The steps of `incident-mcp demo --full`: an outage that has lasted for hours, from taking over to the post-mortem."""

from datetime import UTC, datetime, timedelta

from rich.table import Table
from rich.text import Text

from .steps import Step
from .walk import Caller, Json, Walk, expect, facts, table

INCIDENT = "INC-114"
PATH = "Platform"
PAGE = "Paysand"
PUBLIC_NAME = "Payment notifications are delayed"
FIXED = "The blocked endpoint has a queue of its own; the backlog is gone. Watching for 30 minutes."
FOLLOW_UP = "Ten-second timeout on every delivery"


async def catch_up(walk: Walk, call: Caller) -> None:
    """Somebody takes over at three in the morning: what changed in the last three hours, the most urgent first?"""
    since = (datetime.now(UTC) - timedelta(hours=3)).replace(microsecond=0)
    answer = await call("catch_up", since=since.isoformat().replace("+00:00", "Z"))
    walk.cursor = answer["cursor"]
    walk.show(_changes(answer))
    expect(any(INCIDENT in str(change) for change in answer["changes"]), f"{INCIDENT} is not among the changes.")


async def take_over(walk: Walk, call: Caller) -> None:
    """Open incidents with the next step, pages and alerts that nobody answered, who is on call after this shift."""
    answer = await call("handover", schedule="Platform primary")
    ours = next((row for row in answer["incidents"] if row["reference"] == INCIDENT), None)
    expect(ours is not None, f"{INCIDENT} is not in the handover.")
    walk.incident = ours or {}
    walk.show(facts(walk.incident, "reference", "name", "severity", "lead", "age", "impact_for", "next"))
    walk.row("", facts(answer, "pages_not_acknowledged", "on_call"))


async def read_the_history(walk: Walk, call: Caller) -> None:
    """The history over both services: updates, timeline, and what the alert said."""
    answer = await call("incident_timeline", incident=INCIDENT)
    rows = [{"clock": row["at"][11:16], "from": row["source"], "what": _describe(row)} for row in answer["entries"]]
    walk.show(table(rows, {"clock": "UTC", "from": "From", "what": "What happened"}))
    expect({row["from"] for row in rows} == {"incident.io", "Ionhour"}, "The history is not of both services.")


async def has_it_happened_before(walk: Walk, call: Caller) -> None:
    """Earlier incidents like this one, how they ended, and their post-mortems."""
    answer = await call("similar_incidents", incident=INCIDENT)
    rows: list[Json] = answer["incidents"]
    expect(bool(rows), f"Nothing is similar: {answer}")
    walk.show(table(rows[:3], {"reference": "Incident", "score": "Score", "name": "Name"}))


async def what_was_said(walk: Walk, call: Caller) -> None:
    """What was said on the call."""
    answer = await call("incidentio_read_call", incident=INCIDENT, limit=10)
    rows: list[Json] = answer["call_transcript_entries"]
    expect(bool(rows), f"The call has no transcript: {answer}")
    walk.show(
        table([{**row, "clock": row["at"][11:16]} for row in rows], {"clock": "UTC", "who": "Who", "text": "Said"})
    )


async def preview_the_page(walk: Walk, call: Caller) -> None:
    """More hands are needed. A page takes two calls: the first rings nobody, and shows whom it would ring."""
    answer = await call("incidentio_page_people", **_page())
    expect(bool(answer.get("confirm")) and "id" not in answer, f"The answer is not a preview: {answer}")
    walk.code = answer["confirm"]
    walk.show(Text("\n".join(answer["preview"]["steps"])))


async def page(walk: Walk, call: Caller) -> None:
    """The same call with the code pages, and reads back who was notified."""
    walk.page = await call("incidentio_page_people", **_page(), confirm=walk.code)
    expect(bool(walk.page.get("id")), f"The answer has no page: {walk.page}")
    walk.show(facts(walk.page, "id", "status", "outcome"))


async def acknowledge(walk: Walk, call: Caller) -> None:
    """Acknowledging stops the ringing; the page is read back."""
    answer = await call("incidentio_answer_page", escalation=walk.page["id"], response="ack")
    expect(answer.get("status") == "acked", f"The page is not acknowledged: {answer}")
    walk.show(facts(answer, "status", "outcome"))


async def tell_customers(walk: Walk, call: Caller) -> None:
    """Customers are informed on the status page: a preview of what becomes public, then the same call with its code."""
    public: Json = {
        "page": PAGE,
        "name": PUBLIC_NAME,
        "message": "Notifications to shops arrive up to 45 minutes late. Payments are not affected.",
        "status": "identified",
        "notify_subscribers": False,
    }
    previewed = await call("incidentio_publish_incident", **public)
    walk.show(facts(previewed["preview"], *previewed["preview"]))
    walk.public = await call("incidentio_publish_incident", **public, confirm=previewed["confirm"])
    expect(bool(walk.public.get("id")), f"Nothing was published: {walk.public}")
    walk.show(facts(walk.public, "id", "name", "status"))


async def post_an_update(walk: Walk, call: Caller) -> None:
    """The fix works: one call informs everybody who follows the incident, and changes the status."""
    answer = await call("incidentio_post_update", incident=INCIDENT, message=FIXED, status="Monitoring")
    expect(answer["status"] == "Monitoring", f"The status is {answer['status']}.")
    walk.show(facts(answer, "status", "updater", "created_at"))


async def resolve_for_customers(walk: Walk, call: Caller) -> None:
    """The public incident ends, in two calls as well."""
    public: Json = {
        "public_incident": walk.public["id"],
        "message": "Notifications arrive on time again.",
        "status": "resolved",
        "notify_subscribers": False,
    }
    previewed = await call("incidentio_publish_update", **public)
    answer = await call("incidentio_publish_update", **public, confirm=previewed["confirm"])
    walk.show(facts(answer, "id", "status", "created_at"))


async def note_what_is_left(walk: Walk, call: Caller) -> None:
    """What must not be forgotten becomes a follow-up, once, however often the call is repeated."""
    answer = await call("incidentio_create_follow_up", incident=INCIDENT, title=FOLLOW_UP, user="Sam Okafor")
    expect(answer.get("status") == "outstanding", f"There is no follow-up: {answer}")
    walk.show(facts(answer, "id", "title", "assignee"))


async def resolve(walk: Walk, call: Caller) -> None:
    """The incident moves on to the review. Closing it would skip that."""
    answer = await call("incidentio_edit_incident", incident=INCIDENT, status="Documenting")
    expect(answer["status_category"] == "learning", f"The status is {answer.get('status')}.")
    walk.show(facts(answer, "reference", "status", "status_category"))


async def draft(walk: Walk, call: Caller) -> None:
    """A draft in which each sentence cites its evidence, and what nobody recorded is a question."""
    walk.draft = await call("draft_post_mortem", incident=INCIDENT)
    lines = walk.draft["content"].splitlines()
    walk.show(Text("\n".join(lines[:12])))
    expect("[U1]" in walk.draft["content"], "The draft cites no update.")


async def store(walk: Walk, call: Caller) -> None:
    """The draft is stored as the incident's post-mortem: a preview, then the same call with its code."""
    document: Json = {"incident": INCIDENT, "title": "Delayed webhooks", "content": walk.draft["content"]}
    previewed = await call("incidentio_put_post_mortem", **document)
    answer = await call("incidentio_put_post_mortem", **document, confirm=previewed["confirm"])
    walk.show(facts(answer, *answer))


async def catch_up_again(walk: Walk, call: Caller) -> None:
    """What changed since the first call, each change once."""
    answer = await call("catch_up", since=walk.cursor)
    walk.show(_changes(answer))
    expect(any(INCIDENT in str(change) for change in answer["changes"]), "Our own changes are not among them.")


def _changes(answer: Json) -> Table:
    rows = [
        {**row, "about": row.get("incident", row.get("title", row.get("ionhour_incident_id")))}
        for row in answer["changes"]
    ]
    return table(rows[:10], {"at": "At", "kind": "What", "about": "About", "text": "Text"})


def _page() -> Json:
    return {"title": "Webhooks: help with the backlog", "escalation_path": PATH, "incident": INCIDENT}


def _describe(row: Json) -> str:
    changed = ", ".join(row[name] for name in ("status", "severity") if name in row)
    return ": ".join(filter(None, (changed, (row.get("text") or "" if changed else row["kind"])[:90])))


OUTAGE = (
    Step("What changed while I slept?", catch_up),
    Step("Take over", take_over),
    Step("What happened so far?", read_the_history),
    Step("Has this happened before?", has_it_happened_before),
    Step("What was said on the call?", what_was_said),
    Step("Page: preview", preview_the_page),
    Step("Page", page),
    Step("Acknowledge", acknowledge),
    Step("Tell customers", tell_customers),
    Step("Post an update", post_an_update),
    Step("Tell customers that it is over", resolve_for_customers),
    Step("Note what is left", note_what_is_left),
    Step("Move on to the review", resolve),
    Step("Draft the post-mortem", draft),
    Step("Store it", store),
    Step("What did we change?", catch_up_again),
)
"""The steps of the full demo: 20 calls."""
