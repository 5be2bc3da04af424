"""Removing the API keys from responses, in every encoding."""

import json
import re
from collections.abc import Iterable
from functools import cached_property
from typing import cast

from pydantic import SecretStr

from incident_mcp.records.record import Json, read_json

SHORTEST_KEY = 8
"""Characters. The services' keys are longer, and a word like "test" must not vanish from every response."""
_MARK = "[key]"
_PIECE = 50_000
_LONGEST_SPELLING = 9
"""Characters of one character of a key, as in `&#x0061;`."""


class Redactor:
    """Removes keys from responses: literal, JSON-escaped, percent-encoded, as HTML entities, or nested.

    Args:
        keys: The keys of all services: one may have been pasted into the other.
    """

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys = [value for key in keys if len(value := key.get_secret_value()) >= SHORTEST_KEY]

    def __call__(self, content: bytes) -> bytes:
        """Return a response body without the keys."""
        for key in self._keys:
            content = content.replace(key.encode(), _MARK.encode())
        return self._decoded(content) if any(each.search(content) for each in self._encoded) else content

    def _decoded(self, content: bytes) -> bytes:
        """Return a body whose decoded texts contain no key: escapes show only there."""
        body = read_json(content)
        if body is None:
            return content
        try:
            return json.dumps(self._redact(body)).encode()
        except RecursionError:
            # No response of these services nests that deep; nothing else reads it either.
            return b"?"

    @cached_property
    def _encoded(self) -> list[re.Pattern[bytes]]:
        r"""Match a character of a key, or `%`, as `\u0061` or `%61`, or the start of `&#97;`: such escapes are rare."""
        if not self._keys:
            return []
        signs = {sign for key in self._keys for sign in key}
        codes = "|".join(sorted({f"{ord(sign):02x}" for sign in signs} | {"25"}))
        patterns = [rf"\\u00(?:{codes})", rf"%(?:{codes})", r"&(?:\#|\\u0023)", r"\\u0026(?:\#|\\u0023)"]
        patterns += [r"\\/"] if "/" in signs else []
        # One by one: the literal beginning of each is searched for fast.
        return [re.compile(pattern.encode(), re.IGNORECASE) for pattern in patterns]

    @cached_property
    def _any_key(self) -> re.Pattern[str]:
        return re.compile("|".join("".join(map(_spellings, key)) for key in self._keys), re.IGNORECASE)

    def _may_hold_key(self, text: str) -> bool:
        # In pieces that overlap by the longest spelling of a key: one long search would let nothing else run.
        overlap = _LONGEST_SPELLING * max(map(len, self._keys))
        starts = range(0, len(text), _PIECE)
        return any(self._any_key.search(text, start, start + _PIECE + overlap) for start in starts)

    def _redact(self, value: object) -> object:
        if isinstance(value, str):
            return self._any_key.sub(_MARK, value) if self._may_hold_key(value) else value
        if isinstance(value, dict):
            return {self._any_key.sub(_MARK, name): self._redact(item) for name, item in cast("Json", value).items()}
        if isinstance(value, list):
            return [self._redact(item) for item in cast("list[object]", value)]
        return value


def _spellings(sign: str) -> str:
    """Return a pattern for a character in all encodings but JSON's, which is decoded before."""
    code = ord(sign)
    return rf"(?:{re.escape(sign)}|%(?:25)?{code:02x}|&\#(?:0{{0,3}}{code}|x0{{0,3}}{code:x});)"
