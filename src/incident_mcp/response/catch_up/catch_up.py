"""What changed in both services since an earlier call."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, PrivateAttr

from incident_mcp.errors import InputError
from incident_mcp.records.instants import date_or_instant, parse_instant, to_second
from incident_mcp.records.record import Listed, shorten
from incident_mcp.records.text import visible_answer
from incident_mcp.records.tokens import tokens
from incident_mcp.response.catch_up.cursor import PREFIX, SOURCES, Cursor, account_tag, owner, seal, unseal
from incident_mcp.response.catch_up.events import MAX_NAME, Change, Event, Position, one_line
from incident_mcp.response.catch_up.reader import CatchUpReader
from incident_mcp.response.catch_up.watermark import OVERLAP, Watermark, select
from incident_mcp.response.insight import INSIGHT
from incident_mcp.tooling.dependencies import BothServices, CurrentCaller, Services
from incident_mcp.tooling.tools import read_tool
from incident_mcp.writing.intents import account_of

_A_NIGHT = timedelta(hours=12)
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_FEW_ROWS, _FEW_TOKENS, _MORE_TOKENS = 30, 1_150, 60
"""A number of changes, what they may cost by estimate, and what each further one may cost. The limit is 1,200."""
_LEAST_FOR_ROWS = 500
"""Tokens for changes beside a large cursor."""
_LEAST_TEXT = 12
"""Characters of a text: rather than cut texts shorter, an answer has fewer changes."""
_TEXTS = ("name", "title", "by", "lead", "text")


class CatchUp(Listed):
    """The changes, the most urgent first."""

    MARK: ClassVar = "Texts that end in … were cut to fit: incident_timeline shows them in full."
    since: str | None = None
    """Absent after a cursor."""
    changes: list[Change]
    cursor: str
    """Pass it as `since` to get the rest, or what changes from now on."""
    problems: list[str] | None = None
    """What could not be read."""
    _answer: "_Answer | None" = PrivateAttr(default=None)

    @classmethod
    def of(cls, answer: "_Answer", since: str | None, limit: int) -> "CatchUp":
        """Return the result with up to `limit` changes."""
        problems = answer.reader.problem_lines() or None
        result = cls.model_validate({"since": since, "problems": problems, **answer.fields(limit)})
        while limit > 1 and (excess := result._excess()) > 0:  # noqa: SLF001  # its own
            limit = max(1, min(limit, len(result.changes)) - 1 - int(excess / _MORE_TOKENS))
            result = result.model_copy(update=answer.fields(limit))
        result._answer = answer  # noqa: SLF001  # its own
        return result

    def first(self, rows: int) -> Self | None:
        """Return the result with fewer changes, and the cursor that follows them."""
        if self._answer is None or rows < 1:
            return None
        return self.model_copy(update=self._answer.fields(min(rows, len(self.changes))))

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result: 1,200 for 30 changes, and what the problems cost."""
        more = max(0, rows - _FEW_ROWS) * _MORE_TOKENS
        return max(_FEW_TOKENS, tokens(self.cursor) + _LEAST_FOR_ROWS) + more + tokens(self.problems or [])

    def _excess(self) -> float:
        """Return by how many tokens the result is too large if its texts are cut to `_LEAST_TEXT` characters."""
        dump = visible_answer(self.dump())
        for row in dump["changes"]:
            row |= {name: shorten(row[name], _LEAST_TEXT) for name in _TEXTS if name in row}
        return tokens({**dump, "cut": self.MARK}) - self.most_tokens(len(self.changes))


class _Answer:
    """Makes the result from what was read, with any number of changes."""

    def __init__(self, reader: CatchUpReader, account: str) -> None:
        self.reader = reader
        self._account = account

    def shown(self, limit: int) -> tuple[list[Event], bool]:
        """Return the changes to report, and whether there are more."""
        return select(list(self.reader.streams.values()), limit)

    def fields(self, limit: int) -> dict[str, object]:
        """Return the fields of the result that depend on the number of changes."""
        shown, has_more = self.shown(limit)
        cursor = seal(self.reader.cursor_after(shown), self._account)
        return {"changes": self._named(shown), "has_more": has_more, "cursor": cursor}

    def _named(self, shown: list[Event]) -> list[Change]:
        """Return the changes with their incidents' references; the first of each incident has its name, too."""
        changes: list[Change] = []
        named: set[str] = set()
        for event in shown:
            if event.incident_id is None:
                changes.append(event.change)
                continue
            found = self.reader.name_of(event.incident_id)
            name = None if found.id in named else one_line(found.name, MAX_NAME)
            named.add(found.id)
            shown_of = {"incident": found.reference or found.id, "name": name}
            if found.reference is None and event.change.kind == "post_mortem":
                # The caller may not see the incident, whose name may be in the title.
                shown_of["title"] = None
            changes.append(event.change.model_copy(update=shown_of))
        return changes


def _start(since: str | None, services: Services, person: str) -> Cursor:
    """Return the cursor to start from.

    Raises:
        InputError: `since` is neither a plausible timestamp nor a cursor of this account and person.
    """
    apis = [api for api in (services.incidentio, services.ionhour) if api is not None]
    if since is not None and since.startswith(PREFIX):
        return unseal(since, _owner(services, person), account_tag(_ionhour(services)))
    now = datetime.fromtimestamp(apis[0].now(), UTC)
    started = now - _A_NIGHT if since is None else _parse(since)
    if started > now + OVERLAP:
        raise InputError(f"since {to_second(started)} is in the future: it is {to_second(now)}. Not sent.")
    if started < _EARLIEST:
        raise InputError(f"since {to_second(started)} is too long ago. Not sent.")
    mark = Watermark(Position.of(started - timedelta(microseconds=1)))
    return Cursor(dict.fromkeys(SOURCES, mark), ionhour=account_tag(_ionhour(services)))


def _parse(since: str) -> datetime:
    started = parse_instant(date_or_instant(since))
    if started is None:
        raise InputError(
            f"since {since[:60]!r} is neither a timestamp with a time zone like 2026-11-21T03:12:00Z nor the `cursor`"
            " of an earlier result. Not sent."
        )
    return started


def _owner(services: Services, person: str) -> str:
    return owner(account_of(services.incidentio) if services.incidentio else _ionhour(services), person)


def _ionhour(services: Services) -> str:
    return account_of(services.ionhour) if services.ionhour else ""


async def catch_up(
    services: BothServices,
    caller: CurrentCaller,
    since: Annotated[
        str | None, Field(description="RFC 3339 timestamp, or `cursor` of the previous result. Default: 12 hours ago.")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum changes.")] = 30,
) -> CatchUp:
    """Get what changed in both services, most urgent first: pages, severities, leads, updates, alerts.

    With `cursor`, each change is reported once.
    """
    settings = caller.settings
    start = _start(since, services, settings.person)
    reader = CatchUpReader(services, settings, start, caller.feed)
    await reader.read()
    answer = _Answer(reader, _owner(services, settings.person))
    await reader.name_incidents(answer.shown(limit)[0])
    is_first = since is None or not since.startswith(PREFIX)
    began = to_second(start.marks[SOURCES[0]].mark.instant + timedelta(microseconds=1)) if is_first else None
    return CatchUp.of(answer, began, limit)


TOOLS = [
    read_tool(
        catch_up,
        "What changed",
        toolset=INSIGHT,
        keywords="missed since slept asleep overnight happened meanwhile new news shift start woke back",
    )
]
