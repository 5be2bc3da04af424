"""Removing what must not leave a machine from JSON: keys, tokens, email addresses and phone numbers.

The same address becomes the same placeholder throughout a session, so that a replay finds people by it. What looks like
a token is replaced as well, because a placeholder in place of a harmless word does no harm. Names and messages stay.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote, unquote

from incident_mcp.records.record import Json
from incident_mcp.transport.recording.spellings import decoded

DOMAIN = "redacted.invalid"
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_PLACEHOLDER = re.compile(r"redacted-(?:token|phone|code)-|\[key\]")
_MOST_KNOWN = 200
"""Values of secret fields that are looked for in all later texts."""
_SHORTEST_KNOWN = 8
_LONGEST_LOCAL = 64
"""Characters before the @ of an address, as RFC 5321 has it."""

_SECRET_FIELD = re.compile(
    r"(?:token|secret|password|passwd|passphrase|api_?key|authorization|cookie|credentials?|private_?key|signature"
    r"|signing_?key|access_?key|webhook_?url)s?$"
)
_PHONE_FIELD = re.compile(r"(?:phone|phone_?number|mobile|telephone|tel|msisdn|fax|cell|whatsapp)s?$")
_LABELS = ("name", "key", "label", "header")
"""Fields that name what `value` holds."""

_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>\\]+", re.IGNORECASE)
_WEBHOOK = re.compile(r"(hooks?/)(\S{16,}|\S*\d\S*)", re.IGNORECASE)
"""The secret end of an address; not `/docs/webhooks/retries`."""
_SCHEME = re.compile(r"\b(bearer|basic|token|digest)(\s{1,5})([A-Za-z0-9._~+/=:-]{6,})", re.IGNORECASE)
_HEADER = re.compile(r"\b((?:set-)?cookie2?|(?:proxy-)?authorization)(\s{0,5}:\s{0,5})([^\r\n\"\\]+)", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:token|secret|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|signature|sig|auth|credential)s?"
    r"[\"'\\]{0,4}\s{0,3}[=:]\s{0,3}[\"'\\]{0,4})([^\s\"'&,;<>()\\]{5,}[^\s\"'&,;<>()\\.])",
    re.IGNORECASE,
)
_IN_PATH = re.compile(r"(/(?:ping|token)/)([\w~-]{6,})")
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:xox[a-z]-|xapp-|gh[pousr]_|github_pat_|glpat-|sk-|[spr]k_(?:live|test)_|AKIA|ASIA|AIza|ya29\."
    r"|inc_|eyJ)[A-Za-z0-9_.-]{8,}"
)
_LONG = re.compile(r"(?<![A-Za-z0-9_-])(?<!\bc1\.)[A-Za-z0-9_-]{32,}")
"""Not the cursor of `catch_up`, which holds instants and hashes: later calls pass it on."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHORTEST_TAG, _LONGEST_TAG = 4, 200
_LONGEST_SLUG = 40
"""Characters, with hyphens or underscores: longer ones of capitals, small letters and digits are tokens in base64."""
_CODE = re.compile(r"[a-z2-7]{40}")
"""A confirmation code."""
_LOCAL = re.compile(r"[^\s@<>\"(),;:\[\]\\]+\Z")
_BEFORE_LOCAL = re.compile(r"\A(?:.*[=?&/|{}])?['`*~#!.]*")
_DOMAIN = re.compile(r"[^\W_][\w-]{0,62}(?:\.[\w-]{1,63}){1,8}|\[[^\]\s]{1,60}\]")
_CUT_DOMAIN = re.compile(r"[^\W_][\w-]{0,62}(?=\.?…)")
_ALONE = r"(?<!\d)(?<!\d[.:T-])"
"""Not the end of a date, an instant or a version."""
_ENDS = r"(?!\d|[.:-]\d)"
_PHONES = (
    re.compile(rf"(?<!\d)(?:\+|{_ALONE}00)\d{{1,3}}(?:[\s().\-/]{{0,3}}\d){{6,13}}(?!\d)"),
    re.compile(r"\(\d{2,5}\)[\s.-]{0,2}\d{3,4}[\s.-]?\d{3,4}(?!\d)"),
    re.compile(rf"{_ALONE}\d{{3}}[-. ]\d{{3,4}}[-. ]\d{{4}}{_ENDS}"),
    re.compile(rf"{_ALONE}0(?:\d{{9,10}}|\d{{2,4}}[ -]\d{{3,4}}[ -]?\d{{3,4}}){_ENDS}"),
    re.compile(
        r"(?i:phone|tel|mobile|cell|sms|whatsapp|msisdn)(?i:number|ephone|\s)?\W{1,3}\d(?:[\s().\-/]{0,3}\d){6,14}(?!\d)"
    ),
)


class Anonymizer:
    """Replaces secrets and personal data by placeholders that stay the same for a session.

    Args:
        session: Letters that distinguish the placeholders of one session from those of another.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._placeholders: dict[tuple[str, str], str] = {}
        self._numbers = Counter[str]()
        self._known: dict[str, str] = {}
        """Values of secret fields, and what they become in other texts."""

    def json(self, value: Any, name: str = "") -> Any:  # noqa: ANN401  # the JSON edge
        """Return JSON without secrets and personal data.

        Args:
            value: The JSON.
            name: The field or parameter that holds it.

        Raises:
            RecursionError: It nests too deep.
        """
        self._learn(value, name)
        return self._json(value, name)

    def path(self, path: str) -> str:
        """Return a URL path without secrets and personal data."""
        return "/".join(
            quote(self.text(unquote(each)), safe="") for each in _IN_PATH.sub(self._second, path).split("/")
        )

    def text(self, text: str) -> str:
        """Return a text without secrets and personal data; one that holds them encoded is decoded."""
        plain = self._plain(text)
        for other in decoded(plain):
            if (found := self._plain(other)) != other:
                return self.text(found)
        return plain

    def _json(self, value: Any, name: str) -> Any:  # noqa: ANN401  # the JSON edge
        match value:
            case str():
                return self._field(value, name)
            case dict():
                return {self.text(key): self._json(item, field) for key, field, item in _fields(cast("Json", value))}
            case list():
                return [self._json(item, name) for item in cast("list[object]", value)]
            case int() | float() if _is_secret_number(value, name):
                return self._field(str(value), name)
            case _:
                return value

    def _field(self, text: str, name: str) -> str:
        """Return a text that a field holds, by the field's name."""
        if name == "idempotency_key" or name.startswith("idempotency_key["):
            # A replay compares it, and it is a hash.
            return self._addresses(text)
        kind = _kind_of(name, text)
        if kind and not _PLACEHOLDER.search(text):
            return self._placeholder(kind, text)
        return self.text(text)

    def _learn(self, value: Any, name: str) -> None:  # noqa: ANN401  # the JSON edge
        """Remember the values of secret fields: a token may stand in an address beside its field."""
        match value:
            case dict():
                for _, field, item in _fields(cast("Json", value)):
                    self._learn(item, field)
            case list():
                for item in cast("list[object]", value):
                    self._learn(item, name)
            case str():
                self._remember(value, name)
            case _:
                pass

    def _remember(self, value: str, name: str) -> None:
        kind = "" if _PLACEHOLDER.search(value) else _kind_of(name, value)
        if kind and len(value) >= _SHORTEST_KNOWN and len(self._known) < _MOST_KNOWN:
            self._known[value] = self._placeholder(kind, value)

    def _plain(self, text: str) -> str:
        if len(text) < 6:  # shorter than any address or number
            return text
        for value, placeholder in self._known.items():
            text = text.replace(value, placeholder)
        if "://" in text:
            text = _URL.sub(self._url, text)
        text = _HEADER.sub(self._third, text)
        text = _SCHEME.sub(self._credentials, text)
        text = _ASSIGNED.sub(self._second, text)
        text = _IN_PATH.sub(self._second, text)
        text = _PREFIXED.sub(lambda found: self._placeholder("token", found[0]), text)
        text = _LONG.sub(self._long, text)
        return self._phones(self._addresses(text))

    def _phones(self, text: str) -> str:
        for pattern in _PHONES:
            text = pattern.sub(lambda found: self._placeholder("phone", found[0]), text)
        return text

    def _addresses(self, text: str) -> str:
        """Replace the email addresses of a text: each @ is looked at once, in linear time."""
        kept: list[str] = []
        done = 0
        for at in re.finditer("@", text):
            found = _address_around(text, at.start(), done)
            if found is not None:
                start, end = found
                kept += [text[done:start], self._person(text[start:end])]
                done = end
        return "".join(kept) + text[done:] if kept else text

    def _person(self, address: str) -> str:
        return self._placeholder("person", address.casefold())

    def _url(self, found: re.Match[str]) -> str:
        scheme, _, rest = found[0].partition("://")
        host = re.split(r"[/?#]", rest, maxsplit=1)[0]
        path = rest[len(host) :]
        user, at, bare = host.rpartition("@")
        if at:
            host = f"{self._placeholder('token', user)}@{bare}" if bare != DOMAIN else host
        if "hook" in host.lower() and len(path) > 1:
            path = "/" + self._placeholder("token", path[1:])
        path = _WEBHOOK.sub(self._second, path)
        return f"{scheme}://{host}{path}"

    def _second(self, found: re.Match[str]) -> str:
        return found[1] + self._placeholder("token", found[2])

    def _third(self, found: re.Match[str]) -> str:
        return found[1] + found[2] + self._placeholder("token", found[3])

    def _credentials(self, found: re.Match[str]) -> str:
        """Replace what follows `Bearer`, unless it is an ordinary word."""
        return self._third(found) if re.search(r"[\d=]", found[3]) else found[0]

    def _long(self, found: re.Match[str]) -> str:
        return self._placeholder("token", found[0]) if _is_random(found[0]) else found[0]

    def _placeholder(self, kind: str, value: str) -> str:
        """Return what a value becomes."""
        if _PLACEHOLDER.match(value):
            return value
        if _CODE.fullmatch(value):
            # The same in a later session, which may use the code. Its own hash keeps it from being guessed.
            # Letters only: a run of digits would be taken for a phone number.
            letters = hashlib.sha256(value.encode()).hexdigest().translate(_LETTERS)
            return f"redacted-code-{letters[:12]}"
        same = re.sub(r"\D", "", value) if kind == "phone" else value
        if (kind, same) not in self._placeholders:
            self._numbers[kind] += 1
            self._placeholders[kind, same] = self._name(kind, self._numbers[kind], len(value))
        return self._placeholders[kind, same]

    def _name(self, kind: str, number: int, length: int) -> str:
        """Return a placeholder, as long as what it replaces if that is long enough: texts are cut by their length."""
        start, end = (f"p{number}-", f"@{DOMAIN}") if kind == "person" else (f"redacted-{kind}-{number}-", "")
        tag = self._session
        fill = min(max(length - len(start) - len(end), _SHORTEST_TAG), _LONGEST_TAG)
        return f"{start}{(tag * (fill // len(tag) + 1))[:fill]}{end}"


def _address_around(text: str, at: int, done: int) -> tuple[int, int] | None:
    """Return where the email address around an @ starts and ends, None if there is none.

    Args:
        text: The text.
        at: The place of the @.
        done: Where the part of the text begins that is not replaced yet.
    """
    domain = _DOMAIN.match(text, at + 1) or _CUT_DOMAIN.match(text, at + 1)
    local = _LOCAL.search(text[max(done, at - _LONGEST_LOCAL) : at])
    if domain is None or local is None or at < done or domain[0] == DOMAIN:
        return None
    # What is before it in an address of the web, and marks around it, are not of it.
    bare = _BEFORE_LOCAL.sub("", local[0]) or local[0]
    return None if _PLACEHOLDER.match(bare) else (at - len(bare), domain.end())


def _is_random(text: str) -> bool:
    """Return whether a long word looks like a token or a confirmation code."""
    if _CODE.fullmatch(text):
        return True
    if _PLACEHOLDER.search(text) or _UUID.fullmatch(text) or not re.search(r"\d", text):
        return False
    lower, upper = re.search("[a-z]", text), re.search("[A-Z]", text)
    if text.isalnum():
        return bool(lower or upper)
    return len(text) >= _LONGEST_SLUG and bool(lower and upper)


def _fields(value: Json) -> Iterator[tuple[str, str, Any]]:
    """Yield each key of an object, the name of what it holds, and its value."""
    labelled = _labelled(value)
    for key, item in value.items():
        yield key, labelled if labelled and key in ("value", "values") else key, item


def _labelled(value: Json) -> str:
    """Return the name that an object gives its value: `{"name": "Authorization", "value": ...}`."""
    for label in _LABELS:
        name = value.get(label)
        if isinstance(name, str) and _SECRET_FIELD.search(_snake(name[:100])):
            return name[:100]
    return ""


def _kind_of(name: str, text: str) -> str:
    """Return what a field of this name holds: a token, a phone number or neither."""
    plain = _snake(name)
    if _SECRET_FIELD.search(plain):
        return "token" if text.strip() else ""
    return "phone" if _PHONE_FIELD.search(plain) and len(re.sub(r"\D", "", text)) >= 5 else ""


def _is_secret_number(value: float, name: str) -> bool:
    return (
        not isinstance(value, bool) and bool(_kind_of(name, str(value))) and abs(value) >= 10_000
    )  # a switch or a count


def _snake(name: str) -> str:
    """Return a field's name in snake case, for comparison."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]", "_", name).lower()
