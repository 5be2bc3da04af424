"""Lines on stdin: JSON-RPC messages, and the errors for lines that are not messages.

The SDK's reader drops lines that it cannot read, and their sender waits for a response until a timeout.
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
"""One escape sequence of a JSON text. The group matches an unpaired surrogate."""
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_TOKEN = re.compile(rf"{_STRING}?|[\[\]{{}}]", re.DOTALL)
"""A string, even one without its closing quote, or a bracket. Linear on any input."""
_VALUE = re.compile(rf"\s*:\s*({_STRING}|-?[0-9]{{1,18}}(?![0-9.eE])|)", re.DOTALL)
_BLANK = "\ufeff\0 \t\r\n"
_NOT_A_MESSAGE = (
    'not a JSON-RPC 2.0 message: that is one object on one line, with jsonrpc "2.0", a method, params as an object and,'
    " for a request, an id that is a string or an integer"
)


@dataclass(frozen=True)
class InvalidLine:
    """A line that is not a message."""

    reason: str
    code: int
    id: RequestId | None = None
    """The request's ID, if it can be read."""
    kind: str = "request"
    """What the line seems to be: a request, a notification, which gets no response, or a response to this server."""

    def error(self) -> JSONRPCError:
        """Return the error response to the request."""
        text = f"A line on stdin could not be read: it is {self.reason}. Nothing was done."
        return JSONRPCError(jsonrpc="2.0", id=self.id, error=ErrorData(code=self.code, message=text))


def read_line(line: bytes) -> JSONRPCMessage | None:
    """Return the message in a line, None if `repair_line` has to repair or explain it."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None
    # A request with an id of another type parses as a notification, which gets no response.
    return None if isinstance(message, JSONRPCNotification) and b'"id"' in line else message


def repair_line(line: bytes) -> JSONRPCMessage | InvalidLine | None:
    """Return the message in a line after a repair, or the reason why there is none. Return None for a blank line.

    A byte-order mark is dropped and an unpaired surrogate becomes U+FFFD.
    """
    text, clean = _decode(line)
    text = text.strip(_BLANK)
    if not text:
        return None
    whole = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    fields = _fields(whole)
    invalid = InvalidLine(_NOT_A_MESSAGE, INVALID_REQUEST, _request_id(fields), _kind(fields))
    if not clean:
        return replace(invalid, reason="not in UTF-8", code=PARSE_ERROR)
    try:
        message = jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            return replace(invalid, reason=first["msg"].replace("Invalid", "invalid"), code=PARSE_ERROR)
        return invalid
    if isinstance(message, JSONRPCNotification):
        return invalid if '"id"' in fields else message
    # A response with an altered id would not reach the sender.
    return invalid if "\ufffd" in str(message.id) else message


def too_long(start: bytes, limit: int) -> InvalidLine:
    """Return the error for a line that is longer than the limit, from its first bytes."""
    fields = _fields(_decode(start)[0])
    return InvalidLine(f"longer than {limit:,} bytes", INVALID_REQUEST, _request_id(fields), _kind(fields))


def _decode(line: bytes) -> tuple[str, bool]:
    """Decode UTF-8, even with the surrogate pairs of UTF-16, and return whether it was UTF-8."""
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
    """Return the keys of an object, in quotes, with their short values, even from a text that is not valid JSON."""
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
