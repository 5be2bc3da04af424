"""What a caller has been shown: kept for 30 minutes, bounded, apart for each account."""

import time

import pytest
from pydantic import SecretStr

from incident_mcp.transport.seen import MAX_SEEN, SEEN_SECONDS, MemorySeen, record_key
from incident_mcp.transport.service import Service

pytestmark = pytest.mark.anyio


def service(key: str = "one", name: str = "incident.io", url: str = "https://api.example.com") -> Service:
    return Service(name, url, SecretStr(key), "THE_KEY")


async def test_what_was_shown_is_found_as_it_was_shown_last() -> None:
    seen = MemorySeen()
    await seen.remember({"a": "2026-11-21T03:12:00.123456Z", "b": "1"})
    await seen.remember({"a": "2026-11-21T03:12:00.123457Z"})

    assert await seen.find("a") == "2026-11-21T03:12:00.123457Z"
    assert await seen.find("b") == "1"
    assert await seen.find("c") is None


async def test_it_is_forgotten_after_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = MemorySeen()
    await seen.remember({"a": "1"})
    read_at = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: read_at + SEEN_SECONDS - 1)
    assert await seen.find("a") == "1"
    monkeypatch.setattr(time, "monotonic", lambda: read_at + SEEN_SECONDS + 1)
    assert await seen.find("a") is None


async def test_the_oldest_reading_makes_room() -> None:
    seen = MemorySeen()
    await seen.remember({"first": "1", "second": "1"})
    await seen.remember({"first": "2"})
    await seen.remember({str(number): "1" for number in range(MAX_SEEN - 1)})

    assert await seen.find("second") is None
    assert await seen.find("first") == "2"


def test_keys_are_of_one_record_of_one_account_and_show_no_key() -> None:
    key = record_key(service(), "incident", "01hvx")

    assert key == record_key(service(), "incident", "01HVX")
    others = [
        record_key(service("two"), "incident", "01HVX"),
        record_key(service(url="https://other.example.com"), "incident", "01HVX"),
        record_key(service(name="Ionhour"), "incident", "01HVX"),
        record_key(service(), "follow_up", "01HVX"),
        record_key(service(), "incident", "01HVY"),
    ]
    assert len({key, *others}) == 1 + len(others)
    assert "one" not in key.split()
