"""Lines on stdin: JSON-RPC messages, and what is answered to a line that is none.

The SDK's own reader drops what it cannot read, and whoever sent it waits for an answer until a timeout.
"""

import json
import re
from dataclasses import dataclass, replace

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

_HEX = "[0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\(?:u[dD][89abAB]{_HEX}\\u[dD][c-fC-F]{_HEX}|u[dD]([89a-fA-F]){_HEX}|.)")
"""One escape of a JSON text; the group is filled by half of a surrogate pair."""
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_TOKEN = re.compile(rf"{_STRING}?|[\[\]{{}}]", re.DOTALL)
"""A text, also one that a cut left open, or a bracket: linear on any input."""
_VALUE = re.compile(rf"\s*:\s*({_STRING}|-?[0-9]{{1,18}}(?![0-9.eE])|)", re.DOTALL)
_BLANK = "\ufeff\0 \t\r\n"
_FORM = (
    'not a JSON-RPC 2.0 message: that is one object on one line, with jsonrpc "2.0", a method, params as an object and,'
    " for a request, an id that is a text or a whole number"
)


@dataclass(frozen=True)
class Unread:
    """A line that is no message."""

    reason: str
    code: int
    id: RequestId | None = None
    """The request's, as far as it can be read."""
    kind: str = "request"
    """What the line was to be: a request, a notification, which nobody answers, or a response to us."""

    def error(self) -> JSONRPCError:
        """Return the error that the sender of the request gets."""
        text = f"A line on stdin could not be read: it is {self.reason}. Nothing was done."
        return JSONRPCError(jsonrpc="2.0", id=self.id, error=ErrorData(code=self.code, message=text))


def read_line(line: bytes) -> JSONRPCMessage | None:
    """Return the message of a line that is one as it stands; `mend` explains or repairs any other."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None
    # A request whose id is of another kind reads as a notification, which is never answered.
    return None if isinstance(message, JSONRPCNotification) and b'"id"' in line else message


def mend(line: bytes) -> JSONRPCMessage | Unread | None:
    """Return the message in a line that takes a repair, or why there is none; None of a blank line.

    A byte-order mark is skipped and half a surrogate pair becomes U+FFFD.
    """
    text, clean = _decode(line)
    text = text.strip(_BLANK)
    if not text:
        return None
    whole = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    fields = _fields(whole)
    unread = Unread(_FORM, INVALID_REQUEST, _request_id(fields), _kind(fields))
    if not clean:
        return replace(unread, reason="not in UTF-8", code=PARSE_ERROR)
    try:
        message = jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            return replace(unread, reason=first["msg"].replace("Invalid", "invalid"), code=PARSE_ERROR)
        return unread
    if isinstance(message, JSONRPCNotification):
        return unread if '"id"' in fields else message
    # An answer to an id that is not as it was sent reaches nobody.
    return unread if "\ufffd" in str(message.id) else message


def too_long(start: bytes, most: int) -> Unread:
    """Return what is said of a line that was not read to its end."""
    fields = _fields(_decode(start)[0])
    return Unread(f"longer than {most:,} bytes", INVALID_REQUEST, _request_id(fields), _kind(fields))


def _decode(line: bytes) -> tuple[str, bool]:
    """Decode UTF-8, also as systems with UTF-16 inside write it; say whether it was UTF-8."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return line.decode(errors="replace"), False
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), True


def _fields(text: str) -> dict[str, str]:
    """Return the keys of an object, as written, with short values; whatever else is wrong with the text."""
    depth, fields = 0, dict[str, str]()
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and (value := _VALUE.match(text, token.end())):
            fields[token[0]] = value[1]
    return fields


def _request_id(fields: dict[str, str]) -> RequestId | None:
    try:
        found: RequestId = json.loads(fields.get('"id"', ""))
    except ValueError:
        return None
    return None if "\ufffd" in str(found) else found


def _kind(fields: dict[str, str]) -> str:
    method = fields.get('"method"')
    if method is None and ('"result"' in fields or '"error"' in fields):
        return "response"
    return "notification" if (method or "").startswith('"notifications/') and '"id"' not in fields else "request"
