"""Users of the account: one list, which is read at most once in five minutes."""

from typing import Annotated

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError, RefusedError
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Listed, Name, Record, shorten
from incident_mcp.records.text import one_line
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/users", scope="users.view", page_size=10_000)
MAX_USERS = 10_000
CACHE_SECONDS = 300.0
STATE_SECONDS = 15.0
"""For how long the list with those who left is used: who is active and has a seat decides whom a page reaches."""


class User(Record):
    """A user of the account."""

    id: str
    name: str | None = None
    email: str | None = None
    slack_user_id: str | None = None
    is_active: bool | None = None
    on_call_seat: str | None = Field(default=None, validation_alias=AliasPath("seats", "on_call"))
    """`full_access`, `viewer_only` or `none`: only `full_access` can be paged."""


def name_of_user(user: User) -> str:
    """Return a user's name, else the email address or id, fit for a sentence."""
    return short_name(user.name or user.email or user.id)


def short_name(name: str) -> str:
    """Return a name fit for a sentence: on one line, and not so long that it hides the other names."""
    return shorten(one_line(name), 60)


async def read_users(api: Api, *, include_inactive: bool = False) -> Rows[User] | None:
    """Return the account's users; None if the key may not read them."""

    async def load() -> Rows[User] | None:
        query = [("include_inactive", "true")] if include_inactive else []
        try:
            return await read_rows(api, LIST.request(query), User, limit=MAX_USERS)
        except RefusedError as failure:
            if failure.status not in (403, 404):
                raise
            return None

    users, _ = await api.cached(
        f"users {include_inactive}", load, seconds=STATE_SECONDS if include_inactive else CACHE_SECONDS
    )
    return users


class UserRow(Record):
    """A user in a list."""

    id: str
    name: Name | None = None
    email: str | None = None
    slack_user_id: str | None = None
    on_call_seat: str | None = None
    active: bool | None = None
    """Only told of those who are not."""


class Users(Listed):
    """A list of users."""

    users: list[UserRow]
    note: str | None = None


MOST_SHOWN = 100
UNKNOWN_ME = (
    "it is not known who `me` is: pass the email address. INCIDENT_MCP_ME sets it; on a team's server it comes from"
    " your sign-in or INCIDENT_MCP_KEYS_FILE."
)


async def incidentio_find_users(
    api: IncidentioApi,
    settings: AppSettings,
    email: Annotated[str | None, Field(description="Email address or `me`.")] = None,
    name_contains: Annotated[str | None, Field(description="Part of the name.")] = None,
    include_inactive: Annotated[bool, Field(description="Also those who left.")] = False,
) -> Users:
    """Find users by name or email: their ids, email addresses and on-call seats."""
    rows = await read_users(api, include_inactive=include_inactive)
    if rows is None:
        raise InputError("This key may not read users: it needs the scope users.view.")
    wanted = _read_email(email, settings.me)
    found = [row for row in rows if _fits(row, wanted, name_contains)]
    shown = list(map(_row, found[:MOST_SHOWN]))
    note = None
    if len(found) > len(shown):
        note = f"{len(found) - len(shown)} more fit: pass a longer part of the name."
    elif not found and not include_inactive:
        note = "No active user fits. With include_inactive=true, those who left are searched, too."
    return Users(
        users=shown, has_more=len(found) > len(shown) or not rows.complete, note=note, unreadable=rows.unreadable
    )


def _read_email(email: str | None, me: str | None) -> str | None:
    if email is None or email.strip().casefold() != "me":
        return email
    if me is None:
        raise InputError(f"email: {UNKNOWN_ME}")
    return me


def _fits(user: User, email: str | None, name: str | None) -> bool:
    same_email = email is None or (user.email or "").casefold() == email.strip().casefold()
    words = " ".join((name or "").split()).casefold()
    return same_email and words in " ".join((user.name or "").split()).casefold()


def _row(user: User) -> UserRow:
    return UserRow(
        id=user.id,
        name=user.name,
        email=user.email,
        slack_user_id=user.slack_user_id,
        on_call_seat=user.on_call_seat,
        active=None if user.is_active is not False else False,
    )


TOOLS = [
    read_tool(
        incidentio_find_users, "Find users", toolset=CATALOG, keywords="people person who is email address slack name"
    )
]
