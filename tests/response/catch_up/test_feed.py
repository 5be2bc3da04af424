"""What only webhooks report: reported once, kept apart from what the lists show, and by cursors of any age."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client

from incident_mcp.errors import NotSentError
from incident_mcp.response.catch_up.cursor import FEED, SOURCES, Cursor, owner, seal, unseal
from incident_mcp.response.catch_up.events import Position
from incident_mcp.response.catch_up.watermark import MAX_REPORTED, Watermark
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server, make_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.feed import FeedEntry, LocalFeed
from tests.conftest import NOW, Caller
from tests.response.seeded import incident

pytestmark = pytest.mark.anyio
JUST_NOW = NOW.isoformat()


class Feed(LocalFeed):
    """A feed that does not forget by this machine's clock, which is not the sandbox's."""

    away = False

    async def entries(self) -> Any:
        if self.away:
            raise NotSentError("Redis is away.")
        return list(self._entries.values())


@pytest.fixture
def feed() -> Feed:
    return Feed()


@asynccontextmanager
async def connected(box: Sandbox, feed: Feed | None, **settings: Any) -> AsyncIterator[Caller]:
    built = build_server(Settings(**{"sandbox": True, "toolsets": ("all",), **settings}), network=box)

    @asynccontextmanager
    async def lifespan(server: Any) -> AsyncIterator[Any]:
        async with built.lifespan(server) as caller:
            caller.feed = feed
            yield caller

    async with Client(make_server("", lifespan)) as client:
        yield Caller(client, box)


def entry(number: int = 1, kind: str = "on_call_changed", after: float = 60, **more: Any) -> FeedEntry:
    return FeedEntry(
        **{"key": f"msg_{number}", "kind": kind, "at": NOW.timestamp() + after, "title": "Primary", **more}
    )


def seeded(answer: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("on_call_changed", "post_mortem", "status_page_update")
    return [change for change in answer["changes"] if change["kind"] in kinds]


async def test_what_webhooks_report_comes_once(box: Sandbox, feed: Feed):
    async with connected(box, feed) as call:
        await feed.append(entry(text="Sam Okafor"))
        first = await call.ok("catch_up", since=JUST_NOW)
        assert seeded(first) == [
            {"kind": "on_call_changed", "at": "11-21 03:01", "title": "Primary", "text": "Sam Okafor"}
        ]
        second = await call.ok("catch_up", since=first["cursor"])
        assert seeded(second) == []
        await feed.append(entry(2, "status_page_update", after=30, status="resolved"))
        third = await call.ok("catch_up", since=second["cursor"])
        assert [change["kind"] for change in seeded(third)] == ["status_page_update"], "it came late"
        assert seeded(await call.ok("catch_up", since=third["cursor"])) == []


async def test_a_post_mortem_names_its_incident_where_the_caller_may_see_it(box: Sandbox, feed: Feed):
    row = incident(box, "INC-114")
    await feed.append(entry(1, "post_mortem", incident_id=row["id"], status="in_review"))
    await feed.append(entry(2, "post_mortem", incident_id="01HIDDENHIDDENHIDDENHIDDEN", title="Secret"))
    async with connected(box, feed) as call:
        [one, other] = sorted(seeded(await call.ok("catch_up", since=JUST_NOW)), key=lambda change: change["incident"])
    assert (other["incident"], other["status"]) == ("INC-114", "in_review")
    assert one == {"kind": "post_mortem", "at": "11-21 03:01", "incident": "01HIDDENHIDDENHIDDENHIDDEN"}


async def test_a_cursor_from_before_there_were_webhooks_goes_on_with_them(box: Sandbox, feed: Feed):
    async with connected(box, None) as call:
        cursor = (await call.ok("catch_up", since=JUST_NOW))["cursor"]
    await feed.append(entry())
    async with connected(box, feed) as call:
        answer = await call.ok("catch_up", since=cursor)
    assert len(seeded(answer)) == 1
    async with connected(box, None) as call:
        without = await call.ok("catch_up", since=answer["cursor"])
        assert seeded(without) == []
        assert "problems" not in without
    async with connected(box, feed) as call:
        assert seeded(await call.ok("catch_up", since=without["cursor"])) == [], "its mark was kept"


async def test_a_feed_that_is_away_is_named_and_reported_once_it_is_back(box: Sandbox, feed: Feed):
    await feed.append(entry())
    async with connected(box, feed) as call:
        feed.away = True
        away = await call.ok("catch_up", since=JUST_NOW)
        assert any("webhooks: Redis is away" in line for line in away["problems"])
        feed.away = False
        assert len(seeded(await call.ok("catch_up", since=away["cursor"]))) == 1


async def test_what_is_no_longer_kept_is_named(box: Sandbox, feed: Feed):
    async with connected(box, feed) as call:
        answer = await call.ok("catch_up", since="2026-11-19T00:00:00Z")
        assert any("is no longer kept" in line for line in answer["problems"])
        again = await call.ok("catch_up", since=answer["cursor"])
        assert not any("is no longer kept" in line for line in again.get("problems", ()))


async def test_many_entries_come_once_each(box: Sandbox, feed: Feed):
    for number in range(200):
        await feed.append(entry(number, after=number / 10))
    async with connected(box, feed) as call:
        since, found = JUST_NOW, []
        while True:
            answer = await call.ok("catch_up", since=since, limit=100)
            found += seeded(answer)
            since = answer["cursor"]
            if not answer["has_more"]:
                break
    assert len(found) == 200


async def test_another_persons_cursor_is_rejected(box: Sandbox):
    async with connected(box, None, person="alice@example.com") as call:
        cursor = (await call.ok("catch_up", since=JUST_NOW))["cursor"]
        await call.ok("catch_up", since=cursor)
    for person in ("bob@example.com", ""):
        async with connected(box, None, person=person) as call:
            box.requests.clear()
            assert "belongs to another account" in await call.error("catch_up", since=cursor)
            assert box.requests == []


def test_a_cursor_of_one_person_on_stdio_is_that_of_the_account():
    assert owner("account", "") == "account"
    assert owner("account", "alice") != owner("account", "bob")


@pytest.mark.parametrize("with_feed", [True, False])
def test_a_cursor_is_read_as_it_was_written(with_feed):
    marks = {source: Watermark(Position(number, 7)) for number, source in enumerate(SOURCES)}
    if with_feed:
        marks[FEED] = Watermark(Position(9), frozenset(range(MAX_REPORTED)))
    cursor = Cursor(marks)
    assert unseal(seal(cursor, "a"), "a", b"\0\0\0") == cursor
