"""Text from other systems, made safe to show: without hidden characters, forged lines and images that load.

A character is hidden if it is invisible or changes how others are displayed: Unicode's default ignorable characters,
format and control characters, line and paragraph separators, and blanks without a glyph. A few of them are needed for
correct display in places where they cannot carry a message, and stay there: inside emoji, after the letters of scripts
that join, and in the three flags that consist of tags.
"""

import json
import re
from typing import Any, cast

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers, Mongolian selectors
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, text direction, separators, invisible operators
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"  # blanks, variation selectors, specials
    "\ud800-\udfff"  # lone surrogates
    "\U0001107f\U00013430-\U0001345f\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"  # by script
    "\U000e0000-\U000e0fff"  # tags and the supplement of variation selectors
)
_EMOJI = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff][\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?"
)
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
"""Letters and marks of scripts in which a joiner or non-joiner between two letters changes their shape."""
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
"""A joiner may end a word after these."""
_SPECIAL = re.compile(
    f"({_FLAGS}|{_EMOJI}(?:\u200d{_EMOJI}){{0,7}}|[0-9#*]\ufe0f?\u20e3"
    f"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])|(?<=[{_VIRAMAS}])[\u200c\u200d](?![{_HIDDEN}])"
    f"|(?<=[\u1820-\u18aa])[\u180b-\u180f](?![{_HIDDEN}]))"
    f"|([{_HIDDEN}]+)"
)
"""A sequence that stays, or a run of hidden characters."""
_ANY_HIDDEN = re.compile(f"[{_HIDDEN}]")
_HIDDEN_IN_JSON = re.compile(rf"[{_HIDDEN}]|\\[bfru]")
"""JSON writes control characters as escapes."""
_MAX_SHOWN = 8
"""Hidden characters of a run that are shown; the others are counted."""
_MAX_RUNS = 1_000
"""Runs of hidden characters that are shown in a text; the others are removed and counted."""
_MAX_PIECES = 20_000
"""Sequences and runs after which the rest of a text with too many runs is only stripped."""


def make_visible(value: Any) -> Any:  # noqa: ANN401  # the JSON edge
    """Replace hidden characters with code points such as <U+202E>, in a text or in all texts and keys of JSON."""
    if isinstance(value, str):
        text = value.replace("\r\n", "\n")
        return _show_hidden(text) if _ANY_HIDDEN.search(text) else text
    if isinstance(value, dict):
        return {make_visible(key): make_visible(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [make_visible(item) for item in cast("list[object]", value)]
    return value


def visible_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a result as `make_visible` does, but return one without hidden characters unchanged."""
    text = json.dumps(answer, ensure_ascii=False)
    return make_visible(answer) if _HIDDEN_IN_JSON.search(text) else answer


def _show_hidden(text: str) -> str:
    # The pieces repeat: plain text, a sequence that stays, a run of hidden characters. Splitting is faster than a
    # function call per match.
    pieces: list[str | None] = _SPECIAL.split(text, maxsplit=_MAX_PIECES)
    runs = _runs(pieces)
    if len(pieces) > 3 * _MAX_PIECES and len(runs) <= _MAX_RUNS:
        pieces = _SPECIAL.split(text)
        runs = _runs(pieces)
    for place, run in runs[:_MAX_RUNS]:
        pieces[place] = _show_run(run)
    if others := runs[_MAX_RUNS:]:
        for place, _ in others:
            pieces[place] = None
        # What follows that many pieces keeps no sequence: a plain split is four times as fast.
        rest = pieces[-1] or ""
        pieces[-1] = "".join(_ANY_HIDDEN.split(rest))
        number = sum(len(run) for _, run in others) + len(rest) - len(pieces[-1])
        pieces[others[0][0]] = f"<{number} more hidden characters, removed from here on>"
    return "".join(filter(None, pieces))


def _runs(pieces: list[str | None]) -> list[tuple[int, str]]:
    """Return the runs of hidden characters among the pieces of a text, each with its place."""
    return [(place, run) for place in range(2, len(pieces), 3) if (run := pieces[place])]


def _show_run(run: str) -> str:
    shown = "".join(f"<U+{ord(each):04X}>" for each in run[:_MAX_SHOWN])
    more = len(run) - _MAX_SHOWN
    return f"{shown}<{more} more hidden characters>" if more > 0 else shown


def one_line(text: str) -> str:
    """Return a text on one line, without hidden characters, so that it cannot imitate a line of this server."""
    return " ".join(str(make_visible(text)).split())


# Showing an image sends its address, which may contain data. Only the starts of links and elements are broken up.
_ACTIVE = re.compile(
    r"(?<=\])(?=\()|(?<=<)(?=/?(?:a|area|audio|base|body|button|embed|form|frame|iframe|image|img|input|link|map"
    r"|math|meta|object|picture|script|source|style|svg|table|td|th|track|video)\b)|(?<=<)(?=!--|[?]|!\[|[a-z][a-z0-9+.-]{1,31}:|[^\s<>@]{1,64}@)",
    re.IGNORECASE,
)


def inert(text: str) -> str:
    """Return a text on one line without active Markdown or HTML: no links, images or elements."""
    return _ACTIVE.sub(" ", one_line(text))
