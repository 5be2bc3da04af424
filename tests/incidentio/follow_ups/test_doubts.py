"""Lost replies and changes by others, where the service's record differs from what was sent."""

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitResult

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid, rfc3339
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

CREATE, UPDATE, LIST = "incidentio_create_follow_up", "incidentio_update_follow_up", "incidentio_list_follow_ups"
RENEW = account_ulid("follow-up Renew certificates with the full chain, automatically")
LINK = "https://linear.app/paysand/issue/PAY-2301"
TASK = {"incident": "INC-114", "title": "Once"}


async def until(condition):
    """Wait until a condition holds."""
    with anyio.fail_after(5):
        while not condition():  # conditions have no event
            await anyio.lowlevel.checkpoint()


def stored(box, number=RENEW):
    return next(row for row in box.incidentio.rows["follow_ups"] if row["id"] == number)


def change(box, **fields):
    """Change a follow-up as somebody else."""
    stored(box).update(fields, updated_at=rfc3339(box.incidentio.clock.tick()))


def titled(box, title):
    return [row for row in box.incidentio.rows["follow_ups"] if row["title"] == title]


def person(box, name):
    user = next(row for row in box.incidentio.users if row["name"] == name)
    return {key: user[key] for key in ("id", "name", "email", "role")}


class Completed(list):
    """Rows to which the service adds something as they are created."""

    def __init__(self, rows, **fields):
        super().__init__(rows)
        self.fields = fields

    def append(self, row):
        super().append(row | self.fields)


@pytest.mark.parametrize("added", ["assignee", "description"])
async def test_a_lost_creation_is_found_although_the_service_added_to_it(call, box, added):
    value = person(box, "Sam Okafor") if added == "assignee" else "## Template"
    box.incidentio.rows["follow_ups"] = Completed(box.incidentio.rows["follow_ups"], **{added: value})
    box.fail(Fault("cut_after", method="POST", times=1))

    answer = await call.ok(CREATE, **TASK)
    await call.ok(CREATE, **TASK)
    assert [row["id"] for row in titled(box, "Once")] == [answer["id"]]


async def test_a_new_follow_up_that_is_nearly_the_same_leaves_the_outcome_open(call, box):
    box.incidentio.rows["follow_ups"] = Completed(box.incidentio.rows["follow_ups"], title="ONCE!")
    box.fail(Fault("cut_after", method="POST", times=1))

    error = await call.error(CREATE, **TASK)
    assert "nearly the same" in error
    assert "outcome unknown" in error
    assert len(box.writes()) == 1


async def test_somebody_else_s_new_follow_up_is_not_taken_for_one_s_own(call, box):
    lost = Fault("status", status=500, method="POST", times=1)
    rows = box.incidentio.rows["follow_ups"]
    other = rows[0] | {
        "id": "01M7ZZZZZZ0000000000000000",
        "incident_id": titled(box, rows[0]["title"])[0]["incident_id"],
    }
    other |= {"title": "Once", "status": "outstanding", "assignee": person(box, "Yuki Tanaka")}
    box.fail(lost)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call.ok(CREATE, incident="INC-101", title="Once", user="Sam Okafor"))
        await until(box.writes)
        rows.append(other)
    assert sorted(row["assignee"]["name"] for row in titled(box, "Once")) == ["Sam Okafor", "Yuki Tanaka"]


async def test_an_update_of_the_incident_in_between_makes_no_second_follow_up(call, box):
    await call.ok(CREATE, **TASK)
    await call.ok("incidentio_post_update", incident="INC-114", message="Still looking.")
    assert (await call.ok(CREATE, **TASK))["repeated"]
    assert len(titled(box, "Once")) == 1


@pytest.mark.parametrize("end", ["/put-a-timeout-on-deliveries", "?filter=mine", "/", "#comment-1"])
async def test_a_follow_up_of_an_issue_is_found_by_the_tracker_s_longer_link(call, box, end):
    await call.ok(CREATE, incident="INC-114", url=LINK)
    box.incidentio.rows["follow_ups"][-1]["external_issue_reference"]["issue_permalink"] = LINK + end
    answer = await call.ok(CREATE, incident="INC-114", url=LINK)
    assert answer["repeated"]
    assert "done before" in answer["note"]
    assert len(box.writes()) == 1


@pytest.mark.parametrize("other", [LINK + "0", LINK.replace("2301", "2302")])
async def test_another_issue_s_follow_up_is_not_taken_for_this_one(call, box, other):
    await call.ok(CREATE, incident="INC-114", url=other)
    await call.ok(CREATE, incident="INC-114", url=LINK)
    assert len(box.writes()) == 2


async def test_issues_that_differ_in_the_query_differ(call, box):
    await call.ok(CREATE, incident="INC-114", url=LINK + "?sys_id=1")
    await call.ok(CREATE, incident="INC-114", url=LINK + "?sys_id=2")
    assert len(box.writes()) == 2


async def test_a_deleted_follow_up_of_an_issue_does_not_count(call, box):
    await call.ok(CREATE, incident="INC-107", url=LINK)
    stored(box, box.incidentio.rows["follow_ups"][-1]["id"])["status"] = "deleted"
    await call.ok(CREATE, incident="INC-107", url=LINK)
    assert len(box.writes()) == 2


@pytest.mark.parametrize("field", ["assignee", "assignee_team", "category", "priority"])
@pytest.mark.parametrize("broken", ["missing", "null"])
async def test_an_update_never_drops_what_it_could_not_read(call, box, field, broken):
    value = {key: text for key, text in stored(box)[field].items() if key != "id"}
    stored(box)[field] = value if broken == "missing" else value | {"id": None}

    assert "could not be read" in await call.error(UPDATE, follow_up=RENEW, status="completed")
    assert box.writes() == []


@pytest.mark.parametrize("labels", [["tls", 7], "tls", ["tls", None]])
async def test_labels_that_could_not_be_read_are_not_dropped(call, box, labels):
    stored(box)["labels"] = labels
    assert "labels" in await call.error(UPDATE, follow_up=RENEW, status="completed")
    assert box.writes() == []


async def test_what_is_passed_need_not_be_readable(call, box):
    del stored(box)["assignee"]["id"]
    assert (await call.ok(UPDATE, follow_up=RENEW, user="Priya Raman"))["assignee"] == "Priya Raman"


@pytest.mark.parametrize("empty", [None, {}, ""])
async def test_what_is_empty_has_nothing_to_lose(call, box, empty):
    stored(box)["assignee"] = empty
    assert (await call.ok(UPDATE, follow_up=RENEW, status="completed"))["status"] == "completed"


async def test_two_updates_at_once_lose_neither(call, box):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call.ok(UPDATE, follow_up=RENEW, status="completed"))
        tasks.start_soon(lambda: call.ok(UPDATE, follow_up=RENEW, title="Shorter"))
    assert (stored(box)["status"], stored(box)["title"]) == ("completed", "Shorter")


async def test_an_attempt_is_not_repeated_over_somebody_s_change(call, box):
    box.fail(Fault("cut_before", method="PUT", times=1))
    async with anyio.create_task_group() as tasks:
        results = []

        async def update():
            results.append(await call.result(UPDATE, follow_up=RENEW, status="completed"))

        tasks.start_soon(update)
        await until(box.writes)
        change(box, title="Theirs", status="not_doing")
    assert "changed in the meantime" in text_of(results[0])
    assert (stored(box)["title"], stored(box)["status"]) == ("Theirs", "not_doing")


async def test_a_lost_update_is_done_although_the_service_rewrote_the_text(call, box):
    box.fail(Fault("cut_after", method="PUT", times=1))
    async with anyio.create_task_group() as tasks:
        results = []

        async def update():
            results.append(await call.result(UPDATE, follow_up=RENEW, description="Use **certbot**"))

        tasks.start_soon(update)
        await until(lambda: stored(box).get("description"))
        stored(box)["description"] = "Use *certbot*\n"
    assert not results[0].is_error


async def test_one_s_own_change_with_an_unknown_outcome_is_not_stale(call, box):
    await call.ok(LIST, incident="INC-107")
    # The write takes effect, and nothing that follows can be read.
    box.fail(Fault("cut_after", method="PUT", times=1))
    box.fail(Fault("status", status=403, method="GET", path=f"/v3/follow_ups/{RENEW}$", after=1))
    assert "outcome unknown" in await call.error(UPDATE, follow_up=RENEW, title="Shorter")
    box.heal()
    assert (await call.ok(UPDATE, follow_up=RENEW, status="completed"))["title"] == "Shorter"


@pytest.mark.parametrize("answer", ["changed", "unchanged"])
async def test_a_change_while_a_person_confirms_is_not_overwritten(box, tmp_path, answer):
    async def confirm(context, parameters):
        del context, parameters
        if answer == "changed":
            change(box, title="Theirs")
        return ElicitResult(action="accept", content={"confirm": True})

    settings = Settings(sandbox=True, state_dir=tmp_path, toolsets=("all",), confirm="writes")
    async with Client(build_server(settings, network=box), mode="legacy", elicitation_callback=confirm) as client:
        result = await client.call_tool(UPDATE, {"follow_up": RENEW, "status": "completed"})
    assert result.is_error == (answer == "changed")
    assert len(box.writes()) == (answer == "unchanged")
    assert answer == "unchanged" or "while the update was being confirmed" in text_of(result)


@pytest.mark.parametrize("seen", ["2026-11-16T03:00:01Z", "yesterday", "2026-11-16T03:00:00.000001Z"])
async def test_another_version_than_the_one_named_is_not_overwritten(call, box, seen):
    assert "is not its last change" in await call.error(UPDATE, follow_up=RENEW, status="completed", seen=seen)
    assert box.writes() == []


async def test_the_rounded_time_of_the_last_change_is_enough(call):
    answer = await call.ok(UPDATE, follow_up=RENEW, status="completed", seen="2026-11-16T03:00:00Z")
    assert answer["reference"] == "INC-107"


async def test_an_update_is_reported_although_its_incident_cannot_be_read(call, box):
    box.fail(Fault("status", status=403, path="/v2/incidents/.*"))
    assert (await call.ok(UPDATE, follow_up=RENEW, status="completed"))["status"] == "completed"


async def test_a_dry_run_of_what_is_so_already_shows_the_request(call):
    answer = await call.ok(UPDATE, follow_up=RENEW, status="outstanding", dry_run=True)
    assert answer["would_send"]["body"]["labels"] == ["tls"]


async def test_a_list_of_a_few_shows_descriptions_and_a_longer_one_does_not(call):
    for limit, shown in ((1, True), (6, False)):
        [row] = (await call.ok(LIST, incident="INC-106", limit=limit))["follow_ups"]
        assert ("description" in row) is shown


async def test_a_team_s_id_is_enough_without_access_to_teams(call, box):
    box.incidentio.remove_scope("catalog_entries.view")
    team = box.incidentio.teams[0]["id"]
    assert len((await call.ok(LIST, team=team))["follow_ups"]) == 1
    assert "catalog_entries.view" in await call.error(LIST, team="Payments")
