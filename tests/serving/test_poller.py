"""The poller: what counts as a change, how often it polls, and what it does about failures."""

from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from incident_mcp.errors import NotSentError, RefusedError
from incident_mcp.serving.subscriptions import Budget, Pace
from incident_mcp.serving.subscriptions.poller import Looked, Poller
from incident_mcp.transport.service import Service

pytestmark = pytest.mark.anyio


class Watch:
    """A poller of answers that the test sets."""

    def __init__(self, *, complete: bool = False, **pace: float) -> None:
        self.stamps: dict[str, str] = {"a": "1", "b": "1"}
        self.complete = complete
        self.failure: Exception | None = None
        self.heard: list[frozenset[str]] = []
        self.polls = 0
        self.meanwhile = lambda: None
        self.poller = Poller(self._look, Budget(), Pace(**pace))
        self.service = Service("incident.io", "https://api.invalid", SecretStr("x"), "KEY")
        self.leave = self.poller.add(self.heard.append, {"b": "1"})

    async def _look(self, *_: Any) -> Looked:
        self.polls += 1
        if self.failure:
            raise self.failure
        looked = Looked(dict(self.stamps), complete=self.complete)
        self.meanwhile()
        return looked

    async def poll(self) -> float:
        """Poll once, and return the seconds until the next poll."""
        await self.poller.poll(self.service)
        return self.poller._wait


async def test_the_first_poll_only_learns_except_what_a_stream_had_seen():
    watch = Watch()
    await watch.poll()
    assert watch.heard == []
    other = Watch()
    other.stamps["b"] = "2"
    await other.poll()
    assert other.heard == [{"b"}]


async def test_new_and_changed_versions_are_reported_once():
    watch = Watch()
    await watch.poll()
    watch.stamps |= {"a": "2", "c": "1"}
    await watch.poll()
    await watch.poll()
    assert watch.heard == [{"a", "c"}]


@pytest.mark.parametrize(("complete", "heard"), [(True, [{"a"}]), (False, [])])
async def test_what_is_gone_from_a_complete_list_has_changed_once(complete, heard):
    watch = Watch(complete=complete)
    await watch.poll()
    del watch.stamps["a"]
    await watch.poll()
    await watch.poll()
    assert watch.heard == heard


async def test_the_interval_grows_until_something_changes():
    watch = Watch()
    waits = [await watch.poll() for _ in range(6)]
    assert waits == [15, 22.5, 33.75, 50.625, 60, 60]
    watch.stamps["a"] = "2"
    assert await watch.poll() == 15


async def test_failures_make_it_wait_longer_and_changes_meanwhile_are_reported_afterwards():
    watch = Watch()
    await watch.poll()
    watch.failure = RefusedError("no", status=403)
    assert [await watch.poll() for _ in range(6)] == [30, 60, 120, 240, 300, 300]
    watch.failure = NotSentError("later", status=429, retry_after=1_000)
    assert await watch.poll() == 1_000
    watch.failure = None
    watch.stamps["a"] = "2"
    assert await watch.poll() == 15
    assert watch.heard == [{"a"}]


async def test_while_webhooks_arrive_it_polls_seldom_and_repeats_nothing_that_they_reported():
    watch = Watch()
    await watch.poll()
    watch.poller.announce("a", "2")
    watch.stamps["a"] = "2"
    assert await watch.poll() == 300
    assert watch.heard == []


async def test_a_change_that_no_webhook_reported_makes_it_poll_often_again():
    watch = Watch()
    await watch.poll()
    watch.poller.announce("a", "2")
    watch.stamps |= {"a": "2", "b": "2"}
    assert await watch.poll() == 15
    assert watch.heard == [{"b"}]


async def test_a_change_after_the_reported_one_is_reported_too():
    watch = Watch()
    await watch.poll()
    watch.poller.announce("a", "2")
    watch.stamps["a"] = "3"
    await watch.poll()
    assert watch.heard == [{"a"}]


async def test_a_poll_that_a_webhook_overtook_repeats_nothing_and_the_next_one_misses_nothing():
    watch = Watch()
    await watch.poll()
    watch.meanwhile = lambda: watch.poller.announce("a", "2")
    await watch.poll()
    watch.meanwhile = lambda: None
    watch.stamps["a"] = "2"
    await watch.poll()
    assert watch.heard == []
    watch.stamps["a"] = "3"
    await watch.poll()
    assert watch.heard == [{"a"}]


async def test_it_is_idle_without_listeners():
    watch = Watch()
    assert not watch.poller.is_idle
    watch.leave()
    watch.leave()
    assert watch.poller.is_idle


async def test_one_of_several_polls_and_another_takes_over_when_it_leaves():
    watch = Watch(quick=0.001, slow=0.001, least=0.001)
    async with anyio.create_task_group() as tasks:
        scopes = [anyio.CancelScope(), anyio.CancelScope()]

        async def run(scope: anyio.CancelScope) -> None:
            with scope:
                await watch.poller.run(watch.service)

        for scope in scopes:
            tasks.start_soon(run, scope)
        await reached(watch, 3)
        scopes[0].cancel()
        await reached(watch, watch.polls + 3)
        scopes[1].cancel()


async def test_events_cause_a_poll_soon_but_not_during_failures():
    watch = Watch(quick=1_000, slow=1_000, failing=1_000, least=0.001)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.poller.run, watch.service)
        await reached(watch, 1)
        watch.failure = RefusedError("no", status=403)
        watch.poller.hurry()
        await reached(watch, 2)
        watch.poller.hurry()
        await anyio.sleep(0.05)
        assert watch.polls == 2
        tasks.cancel_scope.cancel()


async def test_what_is_known_is_bounded():
    watch = Watch()
    watch.stamps = {str(number): "1" for number in range(7_000)}
    await watch.poll()
    assert len(watch.poller._known) == 5_000


async def reached(watch: Watch, polls: int) -> None:
    with anyio.fail_after(5):
        while watch.polls < polls:  # noqa: ASYNC110  # what it waits for has no event
            await anyio.sleep(0.002)
