"""Whether people can be reached by a page."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, cast

from pydantic import Field

from incident_mcp.errors import NotSentError, RefusedError
from incident_mcp.incidentio.pages import Rows, read_rows, read_unpaged
from incident_mcp.incidentio.users import LIST as USERS
from incident_mcp.incidentio.users import User, name_of_user, read_users
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Name, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.parallel import read_each

PAUSES = Operation("GET", "/v2/on_call_notification_pauses", scope="notification_pauses.view")
METHODS = Operation("GET", "/v2/users/{user}/notification_methods", scope="notification_methods.view")
MOST_PEOPLE = 25
"""People whose notification methods are read in one call: one request each."""
READ_SECONDS = 8.0
"""For how long what a preview shows beyond the request is read."""
YES, NO = "yes", "no"
_FORBIDDEN = 403
_TRANSIENT = ("not read", "could not be read")


class Reachability(Record):
    """Whether one person can be reached. Each answer is `yes`, `no` or `unknown (why)`."""

    user: Name
    id: str
    reachable: str
    """`no` if an answer below rules it out, `yes` if all are known and good, else `unknown`."""
    active: str
    seat: str
    """A seat with full access to on-call: nobody is paged without one."""
    paused: str
    """`yes, until ...`: the person has paused paging."""
    is_read: bool = Field(default=True, exclude=True)
    """Whether nothing is unknown that another attempt may read."""
    method: str
    """A usable notification method is set up."""

    @property
    def problem(self) -> str:
        """Why the person certainly cannot be reached, the first reason; empty if that is not certain."""
        if self.active == NO:
            return "is inactive"
        if self.seat == NO:
            return "has no on-call seat"
        if self.paused.startswith(YES):
            return f"has paused paging {self.paused.removeprefix('yes, ')}"
        return "has no usable notification method" if self.method == NO else ""


class _Pause(Record):
    id: str
    user_id: str
    starts_at: Instant
    ends_at: Instant


class _Method(Record):
    id: str
    is_usable: bool | None = None


class _NotRead:
    """Marks what was not read, since it would take too many requests."""


Row = TypeVar("Row", bound=Record)
Read = object
"""What was read, or the failure."""


async def reachability_of(api: Api, people: Iterable[User]) -> list[Reachability]:
    """Return whether people can be reached; what cannot be read is unknown, and never an error.

    Args:
        api: incident.io.
        people: The people; what is not known of them is read from the account's list.
    """
    named = {user.id: user for user in people}
    if not named:
        return []
    reads: dict[str, Callable[[], Awaitable[Read]]] = {
        "users": partial(read_users, api, include_inactive=True),
        "pauses": partial(read_rows, api, PAUSES.request(), _Pause, limit=PAUSES.page_size),
    }
    for number in list(named)[:MOST_PEOPLE]:
        reads[f"methods of {number}"] = partial(_read_methods, api, number)
    found = await read_each(reads, seconds=READ_SECONDS)
    known = {user.id: user for user in rows_of(found["users"], User) or ()}
    account = _Account(found["users"], known, found["pauses"], datetime.fromtimestamp(api.now(), UTC))
    return [account.judge(user, found.get(f"methods of {number}", _NotRead())) for number, user in named.items()]


async def _read_methods(api: Api, user: str) -> Rows[_Method]:
    return await read_unpaged(api, METHODS.request(at={"user": user}), _Method)


def rows_of(read: Read, row: type[Row]) -> Rows[Row] | None:
    """Return rows that were read; None if they could not be read."""
    del row
    return cast("Rows[Row]", read) if isinstance(read, Rows) else None


@dataclass(frozen=True)
class _Account:
    """What was read of the account, or why it was not."""

    users: Read
    known: dict[str, User]
    pauses: Read
    now: datetime

    def judge(self, user: User, methods: Read) -> Reachability:
        """Return whether a user can be reached."""
        found = self.known.get(user.id)
        active, seat, paused, method = self._active(found), self._seat(found), self._paused(user.id), _method(methods)
        certain = NO in (active, seat, method) or paused.startswith(YES)
        good = (active, seat, paused, method) == (YES, YES, NO, YES)
        reachable = NO if certain else YES if good else "unknown"
        return Reachability(
            user=name_of_user(found or user),
            id=user.id,
            reachable=reachable,
            active=active,
            seat=seat,
            paused=paused,
            method=method,
            is_read=not {f"unknown ({why})" for why in _TRANSIENT} & {active, seat, paused, method},
        )

    def _active(self, user: User | None) -> str:
        if user is None or user.is_active is None:
            return self._unknown()
        return YES if user.is_active else NO

    def _seat(self, user: User | None) -> str:
        # An open enum: only these values certainly exclude paging.
        answers = {"full_access": YES, "none": NO, "viewer_only": NO}
        return answers.get((user and user.on_call_seat) or "", self._unknown())

    def _unknown(self) -> str:
        return "unknown (not in the answer)" if isinstance(self.users, Rows) else _describe(self.users, USERS.scope)

    def _paused(self, user: str) -> str:
        pauses = rows_of(self.pauses, _Pause)
        if pauses is None:
            return _describe(self.pauses, PAUSES.scope)
        ends = [pause.ends_at for pause in pauses if pause.user_id == user and _is_on(pause, self.now)]
        if ends:
            return f"{YES}, until {max(ends)}"
        return NO if pauses.complete and not pauses.unreadable else "unknown (not all pauses were read)"


def _is_on(pause: _Pause, now: datetime) -> bool:
    starts, ends = parse_instant(pause.starts_at), parse_instant(pause.ends_at)
    return starts is not None and ends is not None and starts <= now < ends


def _method(read: Read) -> str:
    methods = rows_of(read, _Method)
    if methods is None:
        return _describe(read, METHODS.scope)
    if any(method.is_usable is not False for method in methods):
        return YES
    return "unknown (could not be read)" if methods.unreadable else NO


def _describe(read: Read, scope: str) -> str:
    """Describe why something is unknown: a missing scope, or that it could not be read."""
    if isinstance(read, _NotRead):
        return "unknown (too many people)"
    return f"unknown ({why_unread(read, scope)})"


def why_unread(failure: object, scope: str) -> str:
    """Describe why something could not be read; None counts as forbidden."""
    if failure is None or (isinstance(failure, RefusedError) and failure.status == _FORBIDDEN):
        return f"scope {scope} missing"
    return _TRANSIENT[0] if isinstance(failure, NotSentError) else _TRANSIENT[1]
