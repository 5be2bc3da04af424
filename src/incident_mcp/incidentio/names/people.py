"""Users by email address, name, Slack mention or `me`, from one cached list of the account's users."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError, ServiceError
from incident_mcp.incidentio.names.finding import first_matches, fold
from incident_mcp.incidentio.pages import Rows
from incident_mcp.incidentio.users import UNKNOWN_ME, User, read_users
from incident_mcp.records.record import Json, shorten
from incident_mcp.transport.api import Api

MAX_CANDIDATES = 10

Person = Annotated[str, Field(min_length=1, description="Email, name, ID or `me`.")]
People = Annotated[list[str], Field(description="Emails, names, IDs or `me`.")]

_MAILTO = re.compile(
    r"(?:[^<>@]{0,128}<\s*(?:mailto:)?(?P<boxed>[^@\s<>|,;]{1,128}@[^@\s<>|,;]{1,128})(?:\|[^<>]*)?>"
    r"|(?:mailto:)?(?P<plain>[^@\s<>|,;]{1,128}@[^@\s<>|,;]{1,128}))",
    re.IGNORECASE,
)
_SLACK = re.compile(
    r"<@(?P<mention>[UW][A-Z0-9]{5,15})(?:\|[^<>]*)?>|@?(?P<id>(?=[A-Z]*[0-9])[UW][A-Z0-9]{5,15})", re.ASCII
)
"""A mention, or an id with a digit: WILLIAM is a name."""
_ID = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Za-z_-]{16,64}", re.ASCII)


async def reference(api: Api, argument: str, person: str, me: str | None) -> Json:
    """Return the user reference of a request body: an `email`, a `slack_user_id` or an `id`.

    Args:
        api: incident.io.
        argument: The argument that names the user, for error messages.
        person: Email address regardless of case, `<mailto:...>`, Slack id or mention, user id, name, or `me`.
        me: The email address that `me` stands for.

    Raises:
        InputError: No user matches, or several do.
    """
    person = _resolve_me(argument, person.strip(), me)
    if slack := _SLACK.fullmatch(person):
        return {"slack_user_id": slack["mention"] or slack["id"]}
    if found := _MAILTO.fullmatch(person):
        return {"email": await _registered(api, found["boxed"] or found["plain"])}
    person = person.removeprefix("@")
    try:
        users = await read_users(api)
    except ServiceError:
        # An id needs no list: paging must not depend on it.
        if _ID.fullmatch(person):
            return {"id": person}
        raise
    if users is None:
        return {"id": _unchecked_id(argument, person)}
    return {"id": _find_user(argument, person, users).id}


async def user_id(api: Api, argument: str, person: str, me: str | None) -> str:
    """Return the id of a user, named as for `reference`.

    Raises:
        InputError: No user matches, several do, or the key may not read users and no id was passed.
    """
    named = await reference(api, argument, person, me)
    if "id" in named:
        return named["id"]
    [(kind, value)] = named.items()
    users = await read_users(api)
    if users is None:
        raise InputError(f"{argument}: this key may not read users, so pass the user's ID. Not sent.")
    found = [user for user in users if str(getattr(user, kind) or "").casefold() == value.casefold()]
    if len(found) != 1:
        raise InputError(
            f"{argument}: no active user has the {kind} {value!r}. Pass a name, or an ID:"
            " incidentio_find_users lists them. Not sent."
        )
    return found[0].id


def _resolve_me(argument: str, person: str, me: str | None) -> str:
    if person.casefold() != "me":
        return person
    if me is None:
        raise InputError(f"{argument}: {UNKNOWN_ME} Not sent.")
    return me


async def _registered(api: Api, email: str) -> str:
    """Return an email address as the account has it; one in lower case is not looked up, as nearly all are."""
    if email == email.lower():
        return email
    users = await read_users(api) or []
    return next(
        (user.email for user in users if user.email and user.email.casefold() == email.casefold()), email.lower()
    )


def _unchecked_id(argument: str, person: str) -> str:
    if not _ID.fullmatch(person):
        raise InputError(
            f"{argument}: {shorten(person, 60)!r} is not an email address, user ID or Slack ID (U...), and this key may"
            " not read users to find a name. Not sent."
        )
    return person


def _find_user(argument: str, person: str, users: Rows[User]) -> User:
    name = fold(person)
    found = first_matches(
        users,
        lambda user: user.id == person,
        lambda user: (user.name or "").casefold() == name,
        lambda user: name in (user.name or "").casefold().split(),
        lambda user: (user.email or "").partition("@")[0].casefold() == name,
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(_explain_ambiguous(argument, person, found))
    if _ID.fullmatch(person):
        # A user who left, or is not in the list.
        return User(id=person)
    raise InputError(_explain_unknown(argument, person, users))


def _explain_ambiguous(argument: str, person: str, found: Sequence[User]) -> str:
    which = ", ".join(f"{user.name} ({user.email or user.id})" for user in found[:MAX_CANDIDATES])
    return f"{argument}: {shorten(person, 60)!r} is ambiguous: {which}. Pass the email address. Not sent."


def _explain_unknown(argument: str, person: str, users: Rows[User]) -> str:
    limit = "" if users.complete else f"Only the first {len(users)} were searched. "
    return (
        f"{argument}: no active user is called {shorten(person, 60)!r}. {limit}Pass an email address, user ID or Slack"
        " ID (U...). Not sent."
    )
