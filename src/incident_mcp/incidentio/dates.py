"""Dates that filters take, and instants that writes take."""

from typing import Annotated

from pydantic import AfterValidator, Field

from incident_mcp.records.instants import date_or_instant, instant_with_zone, parse_instant


def read_date(value: str | None) -> str | None:
    """Return a date or an instant as the API takes it."""
    read = None if value is None else date_or_instant(value)
    if value is not None and read is None:
        raise ValueError("takes a date like 2026-11-21, or a timestamp with a time zone like 2026-11-21T03:12:00Z")
    return read


def read_moment(value: str) -> str:
    """Return a timestamp with a zone as the API takes it."""
    read = instant_with_zone(value)
    if read is None:
        raise ValueError("takes a timestamp with a time zone like 2026-11-21T03:12:00Z")
    return read.isoformat().replace("+00:00", "Z")


def is_reversed(start: str | None, end: str | None) -> bool:
    """Return whether a window ends before it begins."""
    starts, ends = parse_instant(start), parse_instant(end)
    return starts is not None and ends is not None and starts > ends


Day = Annotated[str | None, AfterValidator(read_date), Field(description="Date or RFC 3339 timestamp.")]
Moment = Annotated[str, AfterValidator(read_moment), Field(description="RFC 3339 with time zone.")]
