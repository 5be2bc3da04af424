"""Incident references, in the forms that users paste.

The API's path accepts the number of INC-123, or the incident's id. A wrong guess would change another incident, so a
text that names no incident, or several, is rejected.
"""

import re
from typing import Annotated, NoReturn

from pydantic import Field

from incident_mcp.errors import InputError

IncidentRef = Annotated[str, Field(min_length=1, description="INC-123, 123, ID or link.")]

_ANY_CASE = re.IGNORECASE | re.ASCII
_FORMS = "INC-123, 123, the incident's ID or its link"
_MAX_LENGTH = 1_000
"""Characters: a link with its query, or a reference with a title, is shorter."""
_MAX_QUOTED = 60

_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_PLAIN: dict[int, str] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, _HYPHENS), "-"),
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, _INVISIBLE), ""),
}
"""The plain character for each full-width, typographic and invisible one."""

_BEFORE = " \t\r\n`'\"\u2018\u2019\u201c\u201d*_~()[]{}<>|"
"""Quotes, brackets and Markdown around a reference."""
_AFTER = _BEFORE + ".,:;!?"
_ULID = r"(?=[0-9]{0,25}[A-Za-z])[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}"
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_ID = re.compile(rf"{_ULID}|{_UUID}|(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])(?!inc)[0-9A-Za-z_-]{{16,64}}", _ANY_CASE)
"""Ids: only a ULID or a UUID may begin with "inc", or have no letter."""
_ONLY = re.compile(
    r"(?:incident[ :]{1,2})?#?(?:inc(?:ident)?[ _:]{0,2}-?[ ]?#?)?(?P<number>[0-9]{1,18})(?:\.0{1,6})?", _ANY_CASE
)
"""A text that is only a reference."""
_TITLED = re.compile(r"#?inc-?(?P<number>[0-9]{1,18})(?=[\s`'\"*_~)\]}>|,:;!?]|\.(?![0-9]))", _ANY_CASE)
"""A reference that a title follows."""
_NAMED = re.compile(
    rf"(?<![0-9A-Za-z])(?:inc(?:ident)?[ _:#-]{{0,3}}(?P<number>[0-9]+)|(?P<id>{_ULID}))(?![0-9A-Za-z])", _ANY_CASE
)
"""A reference inside a text."""
_FURTHER = re.compile(
    r"(?:[\s`'\"*_~()\[\]{}<>|,:;!?.&/+#-]|\b(?:and|or|to)\b)*+[0-9](?:[\s0-9,&/#.+-]|\b(?:and|or|to)\b)*+", re.ASCII
)
"""Further numbers after a reference: `INC-1, 2 and 3`."""
_LINK = re.compile(
    r"(?<![0-9A-Za-z.@/_-])(?:https?://)?app\.incident\.io/(?:[^/\s?#<>|()\[\]\"'`]{1,100}/){0,3}?incidents/"
    r"(?P<incident>[0-9A-Za-z_-]+)[^\s<>|()\[\]\"'`]*",
    _ANY_CASE,
)
_SLUG = re.compile(r"(?P<number>[0-9]{1,18})(?:-.*)?")
"""The end of a link with a number: `114`, `114-checkout-down`."""
_UUID_ONLY = re.compile(_UUID)


def path_id(text: str) -> str:
    """Return the ID for the API's path: the number of a reference or link, or an id unchanged.

    Raises:
        InputError: The text names no incident, or several.
    """
    plain = text.translate(_PLAIN).strip() if len(text) <= _MAX_LENGTH else ""
    links = [_read_link(link["incident"], text) for link in _LINK.finditer(plain)]
    rest = _LINK.sub(" ", plain) if links else plain
    only = _read_only(rest)
    found = links + ([only] if only else _find_all(rest))
    if len(set(found)) > 1:
        _reject(text, "names several incidents")
    if links or only:
        return found[0]
    return _read_titled(rest.lstrip(_BEFORE), text)


def _read_only(text: str) -> str | None:
    """Return the number or id if the text is only a reference."""
    bare = text.lstrip(_BEFORE).rstrip(_AFTER)
    if found := _ONLY.fullmatch(bare):
        return _number(found["number"])
    # An id may begin or end with an underscore, which is not Markdown then.
    return next((form for form in (bare, text.strip()) if _ID.fullmatch(form)), None)


def _read_titled(text: str, original: str) -> str:
    """Return the number of a reference that a title follows."""
    found = _TITLED.match(text)
    number = _number(found["number"]) if found else None
    if found is None or number is None:
        _reject(original, "is not an incident")
    if _FURTHER.fullmatch(text, found.end()):
        _reject(original, "names several incidents")
    return number


def _find_all(text: str) -> list[str]:
    return [found["id"] or found["number"].lstrip("0") for found in _NAMED.finditer(text)]


def _read_link(incident: str, original: str) -> str:
    """Return the number or id in a link."""
    slug = None if _UUID_ONLY.fullmatch(incident) else _SLUG.fullmatch(incident)
    if slug is None and _ID.fullmatch(incident):
        return incident
    number = _number(slug["number"]) if slug else None
    if number is None:
        _reject(original, "is not an incident's link")
    return number


def _number(digits: str) -> str | None:
    """Return a number without leading zeros; None for zero."""
    return digits.lstrip("0") or None


def _reject(text: str, problem: str) -> NoReturn:
    raise InputError(f"{text[:_MAX_QUOTED]!r} {problem}: pass {_FORMS}. Not sent.")


def resource_id(argument: str, text: str, *, listed_by: str | None = None) -> str:
    """Return the id of a resource that has no other name: an escalation, an alert, an override; a link holds it, too.

    Args:
        argument: The argument, for error messages.
        text: The id or link.
        listed_by: The tool that lists such ids, for error messages.

    Raises:
        InputError: The text holds no id, or several.
    """
    plain = text.translate(_PLAIN).strip() if len(text) <= _MAX_LENGTH else ""
    if _ID.fullmatch(bare := plain.lstrip(_BEFORE).rstrip(_AFTER)):
        return bare
    found = {each.upper() for each in _ULID_IN_TEXT.findall(plain)}
    if len(found) != 1:
        problem = "contains several IDs" if found else "contains no ID"
        listed = f" {listed_by} lists them." if listed_by else ""
        raise InputError(f"{argument} {text[:_MAX_QUOTED]!r} {problem}: pass its ID or link.{listed} Not sent.")
    return found.pop()


_ULID_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z])({_ULID})(?![0-9A-Za-z])", re.ASCII)


def ulid_in(text: str) -> str | None:
    """Return the ULID that a text is, or that a link to the dashboard holds; None for any other text.

    The links of resources other than incidents are not documented, so one that holds a single ULID is accepted.
    """
    plain = text.translate(_PLAIN).strip() if len(text) <= _MAX_LENGTH else ""
    bare = plain.lstrip(_BEFORE).rstrip(_AFTER)
    found = {each.upper() for each in _ULID_IN_TEXT.findall(plain)}
    if len(found) == 1 and (len(bare) == _ULID_LENGTH or "app.incident.io/" in plain.lower()):
        return found.pop()
    return None


_ULID_LENGTH = 26
