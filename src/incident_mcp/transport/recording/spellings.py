"""Other spellings of a text: percent-encoded, as HTML entities, or with JSON's escapes."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\{1,8}([/\"'])")
_ROUNDS = 4


def decoded(text: str) -> Iterator[str]:
    """Yield what a text says when it is decoded, once and several times over."""
    for _ in range(_ROUNDS):
        before = text
        for decode in (_unescaped, unescape, unquote):
            other = decode(text)
            if other != text:
                text = other
                yield text
        if text == before:
            return


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[3] or chr(int(found[1] or found[2], 16)), text) if "\\" in text else text
