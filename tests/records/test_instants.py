"""Timestamps: every format that services and people use, and nothing that only resembles one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_mcp.records.instants import date_or_instant, format_duration, instant_with_zone, parse_instant, to_second

MINUTE = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
WITH_ZONE = {
    "2026-11-21T03:12:00Z": MINUTE,
    "2026-11-21t03:12:00z": MINUTE,
    "2026-11-21 03:12:00Z": MINUTE,
    "2026-11-21T03:12Z": MINUTE,
    "2026-11-21T05:12:00+02:00": MINUTE,
    "2026-11-21T05:12:00 +02:00": MINUTE,
    "2026-11-21T05:12:00+0200": MINUTE,
    "2026-11-21T05:12:00+02": MINUTE,
    "2026-11-20T22:12:00-05:00": MINUTE,
    "2026-11-21T03:12:00-00:00": MINUTE,
    "2026-11-21T17:12:00+14:00": MINUTE,
    "2026-11-21T02:57:00-00:15": MINUTE,
    "2026-11-21T03:12:00.5Z": MINUTE + timedelta(microseconds=500_000),
    "2026-11-21T03:12:00,25Z": MINUTE + timedelta(microseconds=250_000),
    "2026-11-21T03:12:00.000001Z": MINUTE + timedelta(microseconds=1),
    "2026-11-21T03:12:00.1234569999999999999999Z": MINUTE + timedelta(microseconds=123_456),
    " 2026-11-21T03:12:00Z\n": MINUTE,
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999Z": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
}
WITHOUT_ZONE = {
    "2026-11-21T03:12:00": MINUTE,
    "2026-11-21 03:12": MINUTE,
    "2026-11-21T03:12:00.5": MINUTE + timedelta(microseconds=500_000),
}
DATES = {"2026-11-21": datetime(2026, 11, 21, tzinfo=UTC), "2024-02-29": datetime(2024, 2, 29, tzinfo=UTC)}
UNREADABLE = [
    *("", " ", "Z", "T", "soon", "now", "null", "2026", "2026-11", "20261121", "20261121T031200Z", "1795230720"),
    *("2026-99-99", "2026-02-29", "2026-11-31", "0000-01-01", "2026-00-10", "-2026-11-21", "02026-11-21"),
    *("2026-99-99T03:12:00Z", "2026-11-21T25:00:00Z", "2026-11-21T03:60:00Z", "2026-11-21T03:12:61Z"),
    *("2026-11-21T24:00:00Z", "2026-11-21T03Z", "2026-11-21T3:12:00Z", "2026-11-21T03:12:00.Z", "2026-11-21T"),
    *("2026-11-21T03:12:00+24:00", "2026-11-21T03:12:00+02:60", "2026-11-21T03:12:00+2:00", "2026-11-21Z"),
    *("2026-11-21T03:12:00ZZ", "2026-11-21T03:12:00 UTC", "2026-11-21x03:12:00Z", "2026-W47", "2026-W47-6"),
    *("2026-11-21T03:12:00Z and more", "2026-11-21\ud80003:12", "2026-11-21T03:12:00\u2212" + "02:00"),
    "٢٠٢٦-١١-٢١",  # noqa: RUF001  # digits of another script
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-21T03:12:00." + "1" * 60 + "Z",
]
HOSTILE = [
    piece * (1_000_000 // len(piece)) for piece in ["0", "2026-11-21T", "1.", " ", "<a", "\u0301", "\ud800", "+"]
]


@pytest.mark.parametrize("text", [*WITH_ZONE, *WITHOUT_ZONE, *DATES])
def test_a_timestamp_is_parsed_to_utc(text: str) -> None:
    instant = parse_instant(text)
    assert instant == {**WITH_ZONE, **WITHOUT_ZONE, **DATES}[text]
    assert instant.tzinfo is UTC


@pytest.mark.parametrize("text", [*UNREADABLE, *HOSTILE], ids=lambda text: ascii(text[:40]))
def test_an_unreadable_text_is_none(text: str) -> None:
    assert parse_instant(text) is None
    assert date_or_instant(text) is None
    assert instant_with_zone(text) is None


@pytest.mark.parametrize("value", [None, 0, 1795230720, 1.5, True, b"2026-11-21", [], {}, datetime(2026, 11, 21)])  # noqa: DTZ001
def test_other_types_are_none(value: object) -> None:
    assert parse_instant(value) is None


@pytest.mark.parametrize("text", WITH_ZONE)
def test_an_argument_with_a_zone_is_a_timestamp(text: str) -> None:
    assert instant_with_zone(text) == WITH_ZONE[text]


@pytest.mark.parametrize("text", [*WITHOUT_ZONE, *DATES])
def test_an_argument_without_a_zone_is_not_a_timestamp(text: str) -> None:
    assert instant_with_zone(text) is None


@pytest.mark.parametrize("text", WITHOUT_ZONE)
def test_a_time_without_a_zone_is_neither_a_date_nor_a_timestamp(text: str) -> None:
    assert date_or_instant(text) is None


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("2026-11-21", "2026-11-21"),
        (" 2026-11-21 ", "2026-11-21"),
        ("2026-11-21T05:12:00+02:00", "2026-11-21T03:12:00Z"),
        ("2026-11-21t03:12z", "2026-11-21T03:12:00Z"),
        ("2026-11-21T03:12:00.000Z", "2026-11-21T03:12:00.000Z"),
        ("2026-11-21T05:12:00.123456789+02:00", "2026-11-21T03:12:00.123456789Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_an_argument_is_normalized(text: str, normalized: str) -> None:
    assert date_or_instant(text) == normalized


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        (MINUTE, "2026-11-21T03:12:00Z"),
        (MINUTE.replace(microsecond=999_999), "2026-11-21T03:12:00Z"),
        (MINUTE.replace(tzinfo=None), "2026-11-21T03:12:00Z"),
        (MINUTE.astimezone(timezone(timedelta(hours=5, minutes=45))), "2026-11-21T03:12:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(999, 12, 31, tzinfo=UTC), "0999-12-31T00:00:00Z"),
    ],
)
def test_a_time_is_formatted_in_utc_with_a_four_digit_year(instant: datetime, written: str) -> None:
    assert to_second(instant) == written


@settings(deadline=None, derandomize=True)
@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_a_formatted_time_can_be_parsed(instant: datetime) -> None:
    instant = instant.replace(year=max(2, min(instant.year, 9998)), day=min(instant.day, 28))
    written = to_second(instant)
    assert parse_instant(written) == instant_with_zone(written) == instant.astimezone(UTC).replace(microsecond=0)
    assert date_or_instant(written) == written


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text() | st.text("0123456789-:T+.Zz ", max_size=40))
def test_no_text_raises(text: str) -> None:
    instant = parse_instant(text)
    assert instant is None or to_second(instant)
    assert (instant_with_zone(text) or instant) == instant
    assert date_or_instant(text) is None or instant is not None


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0m"), (59, "0m"), (2_520, "42m"), (11_400, "3h10m"), (187_500, "2d4h")]
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
