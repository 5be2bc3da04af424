"""The steps of `incident-mcp demo --full` that page somebody and hand over on-call."""

from datetime import UTC, datetime, timedelta

from rich.panel import Panel
from rich.text import Text

from .steps import STEPS, Step
from .walk import Caller, Json, Walk, expect, facts, table

SCHEDULE = "Payments primary"
PATH = "Payments"
RELIEF = "Sam Okafor"
"""Who takes over for two hours."""
TITLE = "Checkout is down: no payments succeed"


async def see_who_is_on_call(walk: Walk, call: Caller) -> None:
    """Before anyone is paged: who is on call, until when, and who is next."""
    walk.on_call = await _on_call(walk, call)
    expect(walk.on_call != RELIEF, f"{RELIEF} is on call already.")


async def preview_the_page(walk: Walk, call: Caller) -> None:
    """A page takes two calls. The first sends nothing: it shows whom it would ring, and returns a code."""
    before = await _count_pages(call)
    answer = await call("incidentio_page_people", **_page(walk))
    steps: list[str] = answer["preview"]["steps"]
    expect(bool(answer.get("confirm")) and "id" not in answer, f"The answer is not a preview: {answer}")
    expect(walk.on_call in steps[0], f"The first step does not ring {walk.on_call}: {steps}")
    expect(await _count_pages(call) == before, "The preview sent a page.")
    walk.code = answer["confirm"]
    walk.show(Text("\n".join(steps)))
    walk.row("", facts(answer, "confirm", "note"))


async def page_with_a_wrong_code(walk: Walk, call: Caller) -> None:
    """The code belongs to that exact call. With another title it is rejected."""
    changed = {**_page(walk), "title": "Something else"}
    error = await call.rejected("incidentio_page_people", **changed, confirm=walk.code)
    expect("Not sent" in error, f"The error does not say that nothing was sent: {error}")
    walk.show(Panel(Text(error), title="not sent", title_align="left", border_style="yellow"))


async def page(walk: Walk, call: Caller) -> None:
    """The same call with the code pages, and reads back who was notified."""
    before = await _count_pages(call)
    walk.page = await call("incidentio_page_people", **_page(walk), confirm=walk.code)
    expect(bool(walk.page.get("id")), f"The answer has no page: {walk.page}")
    expect(walk.on_call in walk.page.get("outcome", ""), f"{walk.on_call} was not notified: {walk.page}")
    walk.show(facts(walk.page, "id", "title", "status", "outcome"))
    expect(await _count_pages(call) == before + 1, "There is not exactly one more page.")


async def acknowledge(walk: Walk, call: Caller) -> None:
    """Acknowledging stops the ringing. The service answers with an empty body, so the page is read back."""
    answer = await call("incidentio_answer_page", escalation=walk.page["id"], response="ack")
    expect(answer.get("status") == "acked", f"The page is not acknowledged: {answer}")
    walk.show(facts(answer, "status", "outcome"))


async def hand_over(walk: Walk, call: Caller) -> None:
    """Hand over for two hours. This takes two calls as well: the preview names whom the override displaces."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    end = start + timedelta(hours=2)
    walk.middle = _middle(start)
    # A shift may end before then.
    walk.relieved = await _on_call(walk, call, at=walk.middle)
    override = {
        "schedule": SCHEDULE,
        "user": RELIEF,
        "start_at": start.isoformat().replace("+00:00", "Z"),
        "end_at": end.isoformat().replace("+00:00", "Z"),
    }
    previewed = await call("incidentio_create_override", **override)
    preview: Json = previewed["preview"]
    expect(any(walk.relieved in row for row in preview["displaces"]), f"{walk.relieved} is not displaced: {preview}")
    walk.show(facts(preview, "schedule", "user", "displaces"))
    walk.override = await call("incidentio_create_override", **override, confirm=previewed["confirm"])
    expect(bool(walk.override.get("id")), f"The answer has no override: {walk.override}")
    walk.show(facts(walk.override, "id", "user", "start_at", "end_at"))
    expect(await _on_call(walk, call, at=walk.middle) == RELIEF, f"{RELIEF} is not on call in the override.")


async def undo(walk: Walk, call: Caller) -> None:
    """Undo it: the preview says who is on call then, and the second call deletes the override."""
    previewed = await call("incidentio_delete_override", override=walk.override["id"])
    walk.show(facts(previewed["preview"], *previewed["preview"]))
    await call("incidentio_delete_override", override=walk.override["id"], confirm=previewed["confirm"])
    expect(await _on_call(walk, call, at=walk.middle) == walk.relieved, f"{walk.relieved} is not on call again.")


def _middle(start: datetime) -> str:
    return (start + timedelta(hours=1)).isoformat().replace("+00:00", "Z")


def _page(walk: Walk) -> Json:
    return {"title": TITLE, "escalation_path": PATH, "incident": walk.incident["reference"]}


async def _count_pages(call: Caller) -> int:
    return len((await call("incidentio_list_escalations", limit=50))["escalations"])


async def _on_call(walk: Walk, call: Caller, **when: str) -> str:
    """Show who is on call, and return the name."""
    [row] = (await call("incidentio_list_on_call", schedule=SCHEDULE, **when))["on_call"]
    names: list[str] = row.get("on_call", [])
    expect(len(names) == 1, f"Not exactly one person is on call: {row}")
    shown = {"named": ", ".join(names), "until": row.get("until", "-"), "next": ", ".join(row.get("next", ["-"]))}
    walk.show(table([shown], {"named": "On call", "next": "Next", "until": "Until"}))
    return names[0]


PAGING = (
    Step("Who is on call?", see_who_is_on_call),
    Step("Page: preview", preview_the_page),
    Step("Page with a changed title", page_with_a_wrong_code),
    Step("Page", page),
    Step("Acknowledge", acknowledge),
    Step("Hand over for two hours", hand_over),
    Step("Undo the handover", undo),
)
_ESCALATED = [step.title for step in STEPS].index("Escalate") + 1
FULL_STEPS = (*STEPS[:_ESCALATED], *PAGING, *STEPS[_ESCALATED:])
