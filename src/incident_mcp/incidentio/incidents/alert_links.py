"""The line in an incident's summary that links an Ionhour alert."""

import re
from dataclasses import dataclass

MAX_ALERTS = 20
"""Alerts that one text can link."""
MAX_SUMMARY = 50_000
"""Characters of a summary that are searched: the first and the last 25,000."""
# Without ^ at its start, `re` searches for the literal text first, which is ten times as fast.
_LINE = re.compile(r"Ionhour incident ([0-9]{1,18}) \(([0-9A-Za-z]{20,32})\)[ \t\r]*$", re.MULTILINE | re.ASCII)


@dataclass(frozen=True)
class AlertId:
    """An alert's number and public id, which must both match."""

    number: int
    public_id: str


def alerts_in(summary: str | None) -> list[AlertId]:
    """Return the alerts that a summary links, each in a line of its own."""
    text = summary or ""
    if len(text) > MAX_SUMMARY:
        # The middle is skipped, with the lines that the cuts split: a link is at the start or the end of a summary.
        half = MAX_SUMMARY // 2
        text = text[:half].rpartition("\n")[0] + "\n" + text[-half:].partition("\n")[2]
    lines = (line for line in _LINE.finditer(text) if line.start() == 0 or text[line.start() - 1] == "\n")
    return list(dict.fromkeys(AlertId(int(line[1]), line[2]) for line in lines))[:MAX_ALERTS]
