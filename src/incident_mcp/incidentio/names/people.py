"""Ids of people: by e-mail, name, Slack mention or `me`, through one cached list of the account's users."""

import re

from incident_mcp.errors import InputError, RefusedError
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.records.record import Json, Record, shorten
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MAX_PAGE_SIZE = 10_000
MOST_SHOWN = 10

_MAILTO = re.compile(
    r"(?:[^<>@]{0,128}<\s*(?:mailto:)?(?P<boxed>[^@\s<>|,;]{1,128}@[^@\s<>|,;]{1,128})(?:\|[^<>]*)?>"
    r"|(?:mailto:)?(?P<plain>[^@\s<>|,;]{1,128}@[^@\s<>|,;]{1,128}))",
    re.IGNORECASE,
)
_SLACK = re.compile(
    r"<@(?P<mention>[UW][A-Z0-9]{5,15})(?:\|[^<>]*)?>|@?(?P<id>(?=[A-Z]*[0-9])[UW][A-Z0-9]{5,15})", re.ASCII
)
"""A mention, or an id that holds a digit: WILLIAM is a name."""
_ID = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Za-z_-]{16,64}", re.ASCII)


class User(Record):
    """A person of the account."""

    id: str
    name: str | None = None
    email: str | None = None
    slack_user_id: str | None = None


LIST = Operation("GET", "/v2/users", scope="users.view")


async def _users(api: Api) -> Rows[User] | None:
    """Return the account's users; None where the key may not read them."""

    async def load() -> Rows[User] | None:
        try:
            return await read_rows(api, LIST.request(), User, limit=MAX_PAGE_SIZE, most_a_page=MAX_PAGE_SIZE)
        except RefusedError as failure:
            if failure.status not in (403, 404):
                raise
            return None

    users, _ = await api.cached("users", load)
    return users


async def reference(api: Api, argument: str, person: str, me: str | None) -> Json:
    """Return a person as a body refers to them: by `email`, `slack_user_id` or `id`.

    Args:
        api: incident.io.
        argument: What the person is named in, for errors.
        person: E-mail in any case, `<mailto:...>`, Slack id or mention, user id, name, or `me`.
        me: The e-mail behind `me`.

    Raises:
        InputError: Nobody fits, or several do.
    """
    person = _me(argument, person.strip(), me)
    if slack := _SLACK.fullmatch(person):
        return {"slack_user_id": slack["mention"] or slack["id"]}
    if found := _MAILTO.fullmatch(person):
        return {"email": await _registered(api, found["boxed"] or found["plain"])}
    person = person.removeprefix("@")
    users = await _users(api)
    if users is None:
        return {"id": _unchecked(argument, person)}
    return {"id": _only(argument, person, users).id}


async def user_id(api: Api, argument: str, person: str, me: str | None) -> str:
    """Return a person's user id.

    Raises:
        InputError: Nobody fits, several do, or the key may not read users and no id was passed.
    """
    refers = await reference(api, argument, person, me)
    if "id" in refers:
        return refers["id"]
    (kind, value), *_ = refers.items()
    users = await _users(api)
    if users is None:
        raise InputError(f"{argument}: this key may not read users, so pass the user's id. Not sent.")
    found = [user for user in users if str(getattr(user, kind) or "").casefold() == value.casefold()]
    if len(found) != 1:
        raise InputError(f"{argument}: no user has the {kind} {value!r}. Not sent.")
    return found[0].id


def _me(argument: str, person: str, me: str | None) -> str:
    if person.casefold() != "me":
        return person
    if me is None:
        raise InputError(
            f"{argument}: `me` needs the setting INCIDENT_MCP_ME, which is not set: set it to your e-mail. Not sent."
        )
    return me


async def _registered(api: Api, email: str) -> str:
    """Return an e-mail as the account spells it; one in lower case is what nearly every account has."""
    if email == email.lower():
        return email
    users = await _users(api) or []
    return next(
        (user.email for user in users if user.email and user.email.casefold() == email.casefold()), email.lower()
    )


def _unchecked(argument: str, person: str) -> str:
    if not _ID.fullmatch(person):
        raise InputError(
            f"{argument}: {shorten(person, 60)!r} is no e-mail, user id or Slack id (U...), and this key may not read"
            " users to find a name. Not sent."
        )
    return person


def _only(argument: str, person: str, users: Rows[User]) -> User:
    wanted = " ".join(person.split()).casefold()
    found = (
        [user for user in users if user.id == person]
        or [user for user in users if (user.name or "").casefold() == wanted]
        or [user for user in users if wanted in (user.name or "").casefold().split()]
        or [user for user in users if (user.email or "").partition("@")[0].casefold() == wanted]
    )
    if len(found) == 1:
        return found[0]
    shown = repr(shorten(person, 60))
    if found:
        which = ", ".join(f"{user.name} ({user.email or user.id})" for user in found[:MOST_SHOWN])
        raise InputError(f"{argument}: {shown} fits several people: {which}. Pass the e-mail. Not sent.")
    if _ID.fullmatch(person):
        # Somebody who left, or whom the list does not show.
        return User(id=person)
    looked = "" if users.complete else f"It was looked for among the first {len(users)}. "
    raise InputError(
        f"{argument}: no active user is called {shown}. {looked}Pass an e-mail, user id or Slack id (U...). Not sent."
    )
