"""Whether people can be reached by a page."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial

from incident_mcp.errors import NotSentError, RefusedError
from incident_mcp.incidentio.pages import Rows, read_rows, read_unpaged
from incident_mcp.incidentio.users import LIST as USERS
from incident_mcp.incidentio.users import User, read_users
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Name, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.parallel import read_each

PAUSES = Operation("GET", "/v2/on_call_notification_pauses", scope="notification_pauses.view")
METHODS = Operation("GET", "/v2/users/{user}/notification_methods", scope="notification_methods.view")
MOST_PEOPLE = 25
"""People whose notification methods are read in one call: one request each."""
YES, NO = "yes", "no"
_FORBIDDEN = 403


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
    method: str
    """A usable notification method is set up."""

    @property
    def problem(self) -> str:
        """Why the person certainly cannot be reached; empty if that is not certain."""
        found = ["is inactive"] if self.active == NO else []
        found += ["has no on-call seat"] if self.seat == NO else []
        found += [f"has paused paging {self.paused.removeprefix('yes, ')}"] if self.paused.startswith(YES) else []
        found += ["has no usable notification method"] if self.method == NO else []
        return " and ".join(found)


class _Pause(Record):
    id: str
    user_id: str
    starts_at: Instant
    ends_at: Instant


class _Method(Record):
    id: str
    is_usable: bool | None = None


Read = object
"""What was read, or the failure."""


async def reachability_of(api: Api, people: Iterable[User]) -> list[Reachability]:
    """Return whether people can be reached; what cannot be read is unknown, and never an error.

    Args:
        api: incident.io.
        people: The people; what is not known of them is read from the account's list.
    """
    named = {user.id: user for user in people}
    reads: dict[str, Callable[[], Awaitable[Read]]] = {
        "users": partial(read_users, api, include_inactive=True),
        "pauses": partial(read_rows, api, PAUSES.request(), _Pause, limit=PAUSES.page_size),
    }
    for number in list(named)[:MOST_PEOPLE]:
        reads[f"methods of {number}"] = partial(_read_methods, api, number)
    found = await read_each(reads)
    now = datetime.fromtimestamp(api.now()).astimezone()
    users = found["users"]
    known = {user.id: user for user in users} if isinstance(users, Rows) else {}
    return [
        _judge(
            known.get(number) or user,
            _active(users, known.get(number)),
            _seat(users, known.get(number)),
            _paused(found["pauses"], number, now),
            _method(found.get(f"methods of {number}")),
        )
        for number, user in named.items()
    ]


async def _read_methods(api: Api, user: str) -> Rows[_Method]:
    return await read_unpaged(api, METHODS.request(at={"user": user}), _Method)


def _judge(user: User, active: str, seat: str, paused: str, method: str) -> Reachability:
    certain = NO in (active, seat, method) or paused.startswith(YES)
    good = (active, seat, paused, method) == (YES, YES, NO, YES)
    reachable = NO if certain else YES if good else "unknown"
    name = user.name or user.email or user.id
    return Reachability(
        user=name, id=user.id, reachable=reachable, active=active, seat=seat, paused=paused, method=method
    )


def unknown(read: Read, scope: str) -> str:
    """Return why something is unknown: a missing scope, or what the service answered."""
    if read is None or (isinstance(read, RefusedError) and read.status == _FORBIDDEN):
        return f"unknown (scope {scope} missing)"
    return f"unknown ({'not read' if isinstance(read, NotSentError) else 'could not be read'})"


def _active(users: Read, user: User | None) -> str:
    if not isinstance(users, Rows):
        return unknown(users, USERS.scope)
    if user is None:
        return "unknown (not in the list of users)"
    return "unknown (not told)" if user.is_active is None else YES if user.is_active else NO


def _seat(users: Read, user: User | None) -> str:
    if not isinstance(users, Rows):
        return unknown(users, USERS.scope)
    if user is None:
        return "unknown (not in the list of users)"
    # An open enum: only these values certainly exclude paging.
    answers = {"full_access": YES, "none": NO, "viewer_only": NO}
    return answers.get(user.on_call_seat or "", "unknown (not told)")


def _paused(pauses: Read, user: str, now: datetime) -> str:
    if not isinstance(pauses, Rows):
        return unknown(pauses, PAUSES.scope)
    ends = [
        pause.ends_at for pause in pauses if isinstance(pause, _Pause) and pause.user_id == user and _is_on(pause, now)
    ]
    if ends:
        return f"{YES}, until {max(ends)}"
    return NO if pauses.complete else "unknown (too many pauses)"


def _is_on(pause: _Pause, now: datetime) -> bool:
    starts, ends = parse_instant(pause.starts_at), parse_instant(pause.ends_at)
    return starts is not None and ends is not None and starts <= now < ends


def _method(methods: Read) -> str:
    if not isinstance(methods, Rows):
        return unknown(methods, METHODS.scope)
    usable = [method.is_usable for method in methods if isinstance(method, _Method)]
    if not all(answer is False for answer in usable):
        return YES
    return "unknown (could not be read)" if methods.unreadable else NO
