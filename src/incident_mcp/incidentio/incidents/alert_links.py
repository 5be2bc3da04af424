"""The line in an incident's summary that names an Ionhour alert."""

import re
from dataclasses import dataclass

MAX_ALERTS = 20
"""Alerts that one text may link."""
MAX_SUMMARY = 50_000
"""Characters of a summary that are searched, half of them at its end."""
# Not anchored with ^: then `re` searches for the first words, which is ten times as fast.
_LINE = re.compile(r"Ionhour incident ([0-9]{1,18}) \(([0-9A-Za-z]{20,32})\)[ \t\r]*$", re.MULTILINE | re.ASCII)


@dataclass(frozen=True)
class AlertId:
    """What names an alert: its number and its public id, which must agree."""

    number: int
    public_id: str


def alerts_in(summary: str | None) -> list[AlertId]:
    """Find the alerts that a summary names, each in a line of its own."""
    text = summary or ""
    if len(text) > MAX_SUMMARY:
        # Its middle is left out, with the lines that are cut: the line stands at the end, or people wrote it first.
        half = MAX_SUMMARY // 2
        text = text[:half].rpartition("\n")[0] + "\n" + text[-half:].partition("\n")[2]
    lines = (line for line in _LINE.finditer(text) if line.start() == 0 or text[line.start() - 1] == "\n")
    return list(dict.fromkeys(AlertId(int(line[1]), line[2]) for line in lines))[:MAX_ALERTS]
