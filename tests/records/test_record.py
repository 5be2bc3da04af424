"""Records: timestamps, text from HTML, cuts, and no hidden characters."""

import json
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AliasPath, Field, ValidationError

from incident_mcp.records.record import (
    HtmlText,
    Instant,
    Listed,
    Name,
    Record,
    Whole,
    cut_at,
    read_answer,
    shorten,
)
from incident_mcp.records.text import make_visible, visible_answer
from incident_mcp.records.tokens import tokens
from incident_mcp.writing.result import Planned, WriteResult


class Thing(Record):
    id: str
    name: Name | None = None
    text: Annotated[str, cut_at(10, "… [cut]")] | None = None
    summary: HtmlText | None = None
    at: Instant | None = None
    count: Whole | None = None


class Things(Listed):
    things: list[Thing]


INSTANTS = {
    "2021-08-17T13:28:57.801578Z": "2021-08-17T13:28:57Z",
    "2021-08-17T13:28:57.801578123Z": "2021-08-17T13:28:57Z",
    "2021-08-17T13:28:57+02:00": "2021-08-17T11:28:57Z",
    "2021-08-17T13:28:57": "2021-08-17T13:28:57Z",
    "2021-08-17": "2021-08-17T00:00:00Z",
    "2021-12-31T23:30:00-01:00": "2022-01-01T00:30:00Z",
    "soon": None,
    "": None,
    "9999-12-31T23:59:59-01:00": None,
    1629206937: None,
}
HTML = {
    "plain": "plain",
    "1 < 2 and 3 > 2": "1 < 2 and 3 > 2",
    "Rolled back <checkout-api> to v1.2": "Rolled back <checkout-api> to v1.2",
    "npm run <script> failed": "npm run <script> failed",
    "<p>One</p><p>Two</p>": "One\nTwo",
    "<ul><li>a</li><li>b &amp; c</li></ul>": "- a\n- b & c",
    "<p>a<br>b<br/>c</p>": "a\nb\nc",
    "<style>p{}</style><script>alert(1)</script><p>seen</p>": "seen",
    "<a href='https://x.example'>link</a>": "link (https://x.example)",
    "<p>unclosed <b>bold": "<p>unclosed <b>bold",
    "<!-- hidden --><b>shown</b>": "shown",
}
HIDDEN = {
    "a\u202eb": "a<U+202E>b",
    "\x1b[31mred": "<U+001B>[31mred",
    "tag\U000e0041": "tag<U+E0041>",
    "\ufeffbom": "<U+FEFF>bom",
    "zero\u2066width": "zero<U+2066>width",
    "lines\r\nand\ttabs": "lines\nand\ttabs",
    "日本語 🚨 ü": "日本語 🚨 ü",
    "\ud800": "<U+D800>",
}


def read(**thing: Any) -> Thing:
    """Read a thing from a service's response."""
    return read_answer(json.dumps(thing).encode(), Thing)


@pytest.mark.parametrize(("value", "expected"), INSTANTS.items())
def test_a_timestamp_is_formatted_in_utc_to_the_second_and_anything_else_is_omitted(value, expected):
    assert read(id="1", at=value).at == expected


def test_only_the_identity_is_required_and_unreadable_fields_are_omitted():
    odd = {"name": {"a": 1}, "text": [], "summary": 7.5, "at": {}, "count": "many"}
    assert read(id=7, **odd).dump() == {"id": "7", "summary": "7.5"}
    assert read(id="1", count=2.6).count == 3
    for identity in ({}, {"id": None}, {"id": {}}, {"id": []}):
        with pytest.raises(ValidationError):
            read(**identity)


def test_unreadable_rows_of_a_list_are_counted_and_the_others_returned():
    rows = [{"id": "1"}, {}, {"id": None}, "row", None, {"id": "2", "at": "soon"}]
    answer = read_answer(json.dumps({"things": rows}).encode(), Things)
    assert answer.dump() == {"has_more": False, "unreadable": 4, "things": [{"id": "1"}, {"id": "2"}]}
    assert read_answer(b'{"things": null}', Things).dump() == {"has_more": False, "things": []}
    for body in (b"{}", b'{"things": 7}', b"[]", b"null", b"<html>", b"", b'"' + b"[" * 10_000):
        with pytest.raises(ValidationError):
            read_answer(body, Things)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "1", "name": "\\ud800"}',
        b'{"id": "1", "other": NaN}',
        b'{"id": "1", "other": "\xff"}',
        b'\xef\xbb\xbf{"id": "1"}',
        b'{"id": "1", "other": ' + b"9" * 5000 + b"}",
    ],
)
def test_json_is_parsed_as_leniently_as_python_does(body):
    assert read_answer(body, Thing).id == "1"


def test_a_dump_is_read_back_strictly_and_by_field_name():
    class Aliased(Record):
        id: str
        severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))

    answered = read_answer(b'{"id": "1", "severity": {"name": "Major"}}', Aliased)
    assert answered.severity == "Major"
    assert Aliased.from_dump(answered.dump()) == answered
    # A service's object without the name is not a severity.
    assert read_answer(b'{"id": "1", "severity": {"rank": 1}}', Aliased).dump() == {"id": "1"}
    assert read_answer(b'{"id": "1", "severity": "Major"}', Aliased).dump() == {"id": "1"}
    with pytest.raises(ValidationError):
        Aliased.from_dump({"id": "1", "severity": {"name": "Major"}})


@pytest.mark.parametrize(("value", "expected"), HTML.items())
def test_html_is_converted_to_text(value, expected):
    assert Thing(id="1", summary=value).summary == expected


@pytest.mark.parametrize(("value", "expected"), HIDDEN.items())
def test_hidden_characters_are_shown(value, expected):
    assert make_visible({value: [value, 1, None]}) == {expected: [expected, 1, None]}


def test_a_long_text_is_cut_and_ends_with_a_mark():
    assert Thing(id="1", text="exactly 10").text == "exactly 10"
    assert Thing(id="1", text="eleven char").text == "ele… [cut]"
    assert Thing(id="1", name="x" * 121).name == "x" * 113 + "… [cut]"
    assert Thing(id="1", name="x" * 120).name == "x" * 120


def test_nulls_are_omitted_and_unknown_keys_are_ignored():
    assert Thing.model_validate({"id": 7, "name": None, "newer": {"a": 1}}).dump() == {"id": "7"}


def test_a_write_result_contains_its_record_and_remarks():
    record = Thing(id="1")
    assert WriteResult(record).dump() == {"id": "1"}
    assert WriteResult(record, repeated=True, note="n").dump() == {"id": "1", "repeated": True, "note": "n"}
    planned = Planned("incident.io", "POST", "/v2/incidents", {"name": "n"})
    assert WriteResult(would_send=planned).dump() == {
        "dry_run": True,
        "would_send": {"service": "incident.io", "method": "POST", "path": "/v2/incidents", "body": {"name": "n"}},
    }
    assert "body" not in Planned("Ionhour", "DELETE", "/x", None).dump()


@settings(derandomize=True)
@given(st.text(st.characters()), st.integers(1, 50))
def test_a_cut_text_is_never_longer_than_allowed(text, length):
    assert len(shorten(text, length)) <= length
    assert shorten(text, length) == text or shorten(text, length).endswith("…")


@settings(derandomize=True)
@given(st.recursive(st.none() | st.integers() | st.text(st.characters()), st.lists))
def test_every_visible_value_can_be_encoded_as_json_in_utf_8(value):
    json.dumps(make_visible(value), ensure_ascii=False).encode()


@pytest.mark.parametrize("around", ["", "a", "\\", "\u2026", "\u58f2"])
def test_a_result_is_made_visible_like_each_of_its_texts(around):
    codes = [*range(0x400), *range(0x1FFF, 0x2100), 0x3164, 0xD800, 0xFE0F, 0xFEFF, 0x1F680, 0xE0041]
    for text in [*(around + chr(code) + around for code in codes), "\r\n", "\\u0007", "\\\\r"]:
        assert visible_answer({text: [text]}) == make_visible({text: [text]})


@settings(derandomize=True)
@given(st.text(st.sampled_from("<>/abp&; \n\"'=!-") | st.characters(), max_size=60))
def test_no_text_makes_the_conversion_of_html_fail(text):
    assert isinstance(Thing(id="1", summary=text).summary, str)


def test_a_list_that_fits_is_returned_in_full():
    things = [Thing(id=str(number), name="n" * 100) for number in range(25)]
    result = Things(things=things).answer()
    assert "cut" not in result
    assert result["things"][24] == {"id": "24", "name": "n" * 100}


@settings(derandomize=True)
@given(st.lists(st.text(max_size=2000), min_size=1, max_size=40), st.sampled_from(["", "\u58f2\u4e0a", "\u202e"]))
def test_a_list_is_cut_to_its_token_budget_and_reports_it_and_keeps_every_row_and_id(texts, more):
    things = [Thing(id=f"id-{number}-{'x' * 30}", summary=text + more) for number, text in enumerate(texts)]
    whole = Things(things=things)
    result = whole.answer()
    assert [row["id"] for row in result["things"]] == [thing.id for thing in things]
    assert ("cut" in result) or result["things"] == make_visible([thing.dump() for thing in things])
    if "cut" in result:
        assert tokens({"has_more": False, "things": result["things"]}) <= whole.most_tokens(len(things))
