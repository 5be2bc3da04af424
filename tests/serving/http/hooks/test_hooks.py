"""The receiver of webhooks: what it accepts, and what comes of it."""

import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from incident_mcp.errors import SettingError
from incident_mcp.serving.http.hooks import LocalReplays, Signatures, route
from incident_mcp.serving.http.hooks.replays import EventsAwayError
from incident_mcp.serving.subscriptions import Event, LocalEvents

from .conftest import Receiver, headers, new_secret, sign, updated

pytestmark = pytest.mark.anyio
INCIDENT = "01FDAG4SAP5TYPT98WGR2N7W91"
DOCUMENTED = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))
"""The webhooks of incident.io's API document, without fields that are not read."""


async def test_a_signed_webhook_is_published_and_answered_without_content(receiver: Receiver):
    assert await receiver.post(updated(INCIDENT)) == 204
    assert [(each.kinds, each.incidents, each.private) for each in receiver.heard] == [
        (frozenset({"incident"}), frozenset({INCIDENT}), False)
    ]


async def test_the_older_header_names_are_accepted(receiver: Receiver):
    body = updated()
    older = {name.replace("webhook", "svix"): value for name, value in headers(receiver.secrets[0], body).items()}
    assert (await receiver.send(body, older)).status_code == 204


def without(name: str) -> Any:
    return lambda found, _: {key: value for key, value in found.items() if key != name}


def with_(**changed: Any) -> Any:
    names = {"number": "webhook-id", "at": "webhook-timestamp", "signature": "webhook-signature"}
    return lambda found, _: found | {names[key]: str(value) for key, value in changed.items()}


@pytest.mark.parametrize(
    "change",
    {
        "another secret": lambda _, body: headers(new_secret(), body),
        "another body": lambda _, body: headers(new_secret(), body + b" "),
        "no id": without("webhook-id"),
        "no time": without("webhook-timestamp"),
        "no signature": without("webhook-signature"),
        "no headers": lambda *_: {},
        "empty signature": with_(signature=""),
        "another version": lambda found, _: (
            found | {"webhook-signature": found["webhook-signature"].replace("v1,", "v2,")}
        ),
        "without its version": lambda found, _: found | {"webhook-signature": found["webhook-signature"][3:]},
        "another id": with_(number="msg_2"),
        "odd id": with_(number="a b"),
        "long id": with_(number="x" * 300),
        "odd time": with_(at="1e9"),
        "negative time": with_(at="-5"),
        "long time": with_(at="9" * 400),
        "many signatures": with_(signature=" ".join(["v1,eA=="] * 2_000)),
    }.items(),
    ids=lambda pair: pair[0],
)
async def test_what_is_not_signed_is_rejected_without_effect(receiver: Receiver, change):
    body = updated()
    found = headers(receiver.secrets[0], body)
    assert (await receiver.send(body, change[1](found, body))).status_code == 401
    assert receiver.heard == []


@pytest.mark.parametrize("by", [-301, -86_400, 310, 86_400])
async def test_a_signature_of_another_time_is_rejected(receiver: Receiver, by):
    assert await receiver.post(updated(), at=time.time() + by) == 401
    assert receiver.heard == []


@pytest.mark.parametrize("by", [-290, 290])
async def test_clocks_may_differ_a_little(receiver: Receiver, by):
    assert await receiver.post(updated(), at=time.time() + by) == 204


async def test_a_changed_body_is_rejected(receiver: Receiver):
    found = headers(receiver.secrets[0], updated())
    assert (await receiver.send(updated("01FDAG4SAP5TYPT98WGR2N7W92"), found)).status_code == 401
    assert (await receiver.send(updated(), found)).status_code == 204, "the id is not burnt by a forgery"


async def test_while_a_secret_is_replaced_either_may_sign():
    receiver = Receiver([new_secret(), new_secret()])
    body = updated()
    for number, secret in enumerate(receiver.secrets):
        assert (await receiver.send(body, headers(secret, body, number=f"msg_{number}"))).status_code == 204
    now = time.time()
    both = " ".join(sign(secret, "msg_9", now, body) for secret in (new_secret(), receiver.secrets[1]))
    found = headers(receiver.secrets[0], body, number="msg_9", at=now) | {"webhook-signature": both}
    assert (await receiver.send(body, found)).status_code == 204


async def test_a_replay_is_answered_as_a_duplicate_and_has_no_effect(receiver: Receiver):
    body = updated()
    found = headers(receiver.secrets[0], body)
    assert [(await receiver.send(body, found)).status_code for _ in range(3)] == [204, 200, 200]
    assert await receiver.post(body, number="msg_1", at=time.time() - 60) == 200, "the sender signs a repeat anew"
    assert len(receiver.heard) == 1


async def test_what_could_not_be_published_is_asked_for_again_and_then_published():
    class Away(LocalEvents):
        away = True

        async def publish(self, event: Event) -> None:
            if self.away:
                raise EventsAwayError
            await super().publish(event)

    receiver = Receiver(events=Away())
    assert await receiver.post(updated()) == 503
    receiver.events.away = False
    assert await receiver.post(updated()) == 204
    assert len(receiver.heard) == 1


async def test_two_deliveries_at_once_are_published_once():
    class Slow(LocalEvents):
        async def publish(self, event: Event) -> None:
            await anyio.sleep(0.05)
            await super().publish(event)

    receiver, statuses = Receiver(events=Slow()), []

    async def post() -> None:
        statuses.append(await receiver.post(updated()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        tasks.start_soon(post)
    assert sorted(statuses) == [204, 503]
    assert len(receiver.heard) == 1


async def test_the_memory_of_received_webhooks_is_bounded(monkeypatch):
    replays = LocalReplays()
    monkeypatch.setattr("incident_mcp.serving.http.hooks.replays._MOST", 10)
    for number in range(100):
        await replays.claim(str(number))
    assert len(replays._until) == 10


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_body_is_rejected_before_it_is_read(receiver: Receiver, declared):
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 1
            yield b"x" * 65_536

    found = headers(receiver.secrets[0], b"x") | ({"content-length": str(160 * 65_536)} if declared else {})
    assert (await receiver.send(chunks(), found)).status_code == 413
    assert sent <= 17
    assert receiver.heard == []


async def test_a_slow_body_is_given_up(receiver: Receiver, monkeypatch):
    monkeypatch.setattr(route, "READ_SECONDS", 0.05)

    class SlowStream:
        async def __call__(self, scope: Any, _: Any, send: Any) -> None:
            async def slowly() -> Any:
                await anyio.sleep(0.02)
                return {"type": "http.request", "body": b"x", "more_body": True}

            await receiver_app(scope, slowly, send)

    receiver_app, receiver.app = receiver.app, SlowStream()
    assert (await receiver.send(b"", headers(receiver.secrets[0], b""))).status_code == 408


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[]", b'"x"', b"null", b"1" * 9_000, b"[" * 400_000, b'{"a":' * 150_000],
    ids=lambda body: f"{body[:5]!r} {len(body)}",
)
async def test_what_is_not_a_json_object_is_rejected(receiver: Receiver, body):
    assert await receiver.post(body) == 400
    assert receiver.heard == []


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"event_type": "public_incident.invented_v1"},
        {"event_type": 5},
        {"event_type": ["a"]},
        {"event_type": "x" * 100_000},
        {"event_type": "__class__.__init__"},
    ],
    ids=str,
)
async def test_an_unknown_event_is_accepted_and_ignored(receiver: Receiver, payload):
    assert await receiver.post(json.dumps(payload).encode()) == 204
    assert receiver.heard == []


@pytest.mark.parametrize("content", [None, [], "x", 5, {"id": 5}, {"id": "x" * 1_000}, {"incident": [1]}, {"id": None}])
async def test_an_event_with_odd_content_is_accepted(receiver: Receiver, content):
    name = "public_incident.incident_updated_v9"
    assert await receiver.post(json.dumps({"event_type": name, name: content}).encode()) == 204
    assert [each.incidents for each in receiver.heard] == [frozenset()]


@pytest.mark.parametrize("example", DOCUMENTED, ids=lambda example: example["event_type"])
async def test_every_documented_example_is_understood(receiver: Receiver, example):
    assert await receiver.post(json.dumps(example).encode()) == 204
    [event] = receiver.heard
    name = example["event_type"]
    assert event.private == name.startswith("private_")
    if name.startswith("public_incident"):
        assert event.incidents
    if event.private:
        assert not event.incidents
    kept = {each.kind for each in await receiver.feed.entries()}
    assert kept == {
        "schedule.shift_change_v1": {"on_call_changed"},
        "public_incident.postmortem_document_status_updated_v1": {"post_mortem"},
        "status_page_incident.update_shared_v1": {"status_page_update"},
    }.get(name, set())


async def test_a_private_incident_among_the_related_ones_is_not_named(receiver: Receiver):
    name = "public_escalation.escalation_created_v1"
    related = [{"id": INCIDENT, "visibility": "private"}, {"id": INCIDENT[::-1], "visibility": "public"}]
    body = json.dumps({"event_type": name, name: {"related_incidents": related}}).encode()
    assert await receiver.post(body) == 204
    assert [each.incidents for each in receiver.heard] == [frozenset({INCIDENT[::-1]})]


async def test_texts_of_the_feed_are_short_and_can_be_stored(receiver: Receiver):
    name = "schedule.shift_change_v1"
    people = [{"name": "\ud800x" * 10_000}] * 3
    body = json.dumps({"event_type": name, name: {"schedule": {"name": "\ud800"}, "current_users": people}}).encode()
    assert await receiver.post(body) == 204
    [entry] = await receiver.feed.entries()
    assert entry.title == "?"
    assert entry.text.startswith("?x?x")
    assert len(entry.text) <= 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_allowed(receiver: Receiver, method):
    assert (await receiver.send(b"", {}, method)).status_code == 405


async def test_nothing_of_a_webhook_or_a_secret_is_logged(receiver: Receiver, caplog):
    caplog.set_level(logging.DEBUG)
    body = updated("PLANTED-IN-THE-BODY")
    await receiver.send(body, headers(new_secret(), body, number="PLANTED-IN-THE-ID"))
    await receiver.post(body)
    await receiver.post(b"PLANTED", number="msg_2")
    assert "PLANTED" not in caplog.text
    assert receiver.secrets[0] not in caplog.text
    assert receiver.secrets[0] not in repr(Signatures([SecretStr(receiver.secrets[0])]).__dict__)


async def test_rejections_are_logged_once_a_minute(receiver: Receiver, caplog):
    caplog.set_level(logging.WARNING)
    for _ in range(50):
        await receiver.send(updated(), {})
    assert len([row for row in caplog.records if "rejected" in row.message]) == 1


@pytest.mark.parametrize("text", ["", " , ", "whsec_", "whsec_%%%", "whsec_YQ==", "x", "whsec_é"])
def test_a_secret_that_cannot_be_used_is_rejected_without_repeating_it(text):
    with pytest.raises(SettingError, match="INCIDENT_MCP_WEBHOOK_SECRET") as refused:
        Signatures.from_text(text)
    assert "%%%" not in str(refused.value)
    assert "YQ==" not in str(refused.value)


def test_several_secrets_are_separated_by_commas():
    assert len(Signatures.from_text(f" {new_secret()} ,{new_secret()},")._keys) == 2
