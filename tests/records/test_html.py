"""HTML becomes text; a text that only looks like HTML stays unchanged."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incident_mcp.records.html import MAX_HTML, decode_entities, html_to_text, start_to_text

KEPT = [
    *("", " ", "\n\n", "plain", " leading and trailing ", "one\r\n\r\n\r\n\r\ntwo", "a & b", "a &amp; b", "&lt;b&gt;"),
    *("Rolled back <checkout-api> to v1.2", "npm run <script> failed", "npm run <script> failed, see <style>"),
    *("<https://x.y>", "<https://x.y|x>", "<user@example.com>", "<@U012AB3CD>", "<!here>", "<!subteam^S1|ops>"),
    *(
        "List<String>",
        "Map<String, List<Integer>>",
        "if a<b and c>d",
        "a <b c",
        "a<b",
        "1 < 2 and 3 > 2",
        "x </b",
        "</",
    ),
    *("use the <br> tag", "one<br>two<br/>three", "<img src='x.png'>", "<hr>", "end with </p>", "start with <p>"),
    *("<b>", "</b>", "</b><b>", "<p></div>", "<b>bold</strong>", "</p> before <p>", "<details> is not closed", "<T>"),
    *("<config><name>x</name></config>", "<T></T>", "<checkout-api></checkout-api>", "<b-c>x</b-c>", "<p:x>y</p:x>"),
    *("<item><title>Down</title></item>", "<envelope><body>500</body></envelope>"),
    *("<script>alert(1)</script>", "<style>p{}</style>", "<script>'<b>x</b>'</script>", "<!-- <b>x</b> -->"),
    *("<!-- note -->", "<!DOCTYPE html>", "<![CDATA[x]]>", "<?xml version='1.0'?>", "< b >x</ b >", "<b\x00>x</b>"),
    *("<b title='unclosed>x</b", "```\nif (a <b) {}\n```", "kubectl logs -l app=<app> -c <container>", "<\ud800>"),
]
CONVERTED = {
    "<p>One</p><p>Two</p>": "One\nTwo",
    "<p>One</p>\n\n<p>Two</p>\n": "One\nTwo",
    "<P CLASS='x'>One</P >": "One",
    "<div><div><p>deep</p></div></div>after": "deep\nafter",
    "a<b>b</b>c": "abc",
    "a <b> b </b> c": "a b c",
    "<p>first<br>second<br/>third<br />fourth</br>fifth</p>": "first\nsecond\nthird\nfourth\nfifth",
    "<b>first</b><br>\nsecond": "first\nsecond",
    "<p>a<br><br><br><br>b</p>": "a\n\nb",
    "<p>a</p><p><br></p><p>&nbsp;</p><p>b</p>": "a\n\nb",
    "<p>a</p><hr><p>b</p>": "a\nb",
    "<h1>Title</h1>text<h2>Next</h2>text": "Title\ntext\nNext\ntext",
    "<ul><li>a</li><li>b &amp; c</li></ul>": "- a\n- b & c",
    "Steps:<ol>\n  <li>one</li>\n  <li><p>two</p></li>\n</ol>done": "Steps:\n- one\n- two\ndone",
    "<ul><li>a<ul><li>b</li></ul></li></ul>": "- a\n- b",
    "<ul><li></li></ul><p>text</p>": "text",
    "<ul><li><a href='https://x.y'>here</a></li></ul>": "- here (https://x.y)",
    "<table><tr><th>Check</th><th>State</th></tr><tr><td>api</td><td>down</td></tr></table>": (
        "Check | State\napi | down"
    ),
    "<pre>def f():\n\n\n    return 1\n</pre>done": "def f():\n\n\n    return 1\ndone",
    "log:<pre>\n  <b>x</b>\n  y</pre>": "log:\n  x\n  y",
    "<blockquote>said</blockquote>reply": "said\nreply",
    "**Markdown** with <u>one</u> tag\n\n- item\n  - nested": "**Markdown** with one tag\n\n- item\n  - nested",
    "one \t\n\n\n\n\ntwo <i>three</i>": "one\n\ntwo three",
    "<p>one\r\ntwo</p>": "one\ntwo",
    # Links and pictures
    '<a href="https://x.y/run">the runbook</a>': "the runbook (https://x.y/run)",
    '<a class="b" HREF = "https://x.y" href="https://z">t</a>.': "t (https://x.y).",
    "<a href=https://x.y/a?b=1>t</a>": "t (https://x.y/a?b=1)",
    "<a href='https://x.y/?a=1&amp;b=2&copy=3'>t</a>": "t (https://x.y/?a=1&b=2&copy=3)",
    "<a href='https://x.y/'>https://x.y</a>": "https://x.y/",
    "<a href='https://x.y'> <b>X.y/</b> </a> now": "https://x.y now",
    "see <a href='mailto:ops@x.y'>ops@x.y</a>": "see ops@x.y",
    "<a href='mailto:ops@x.y'>Ops</a>": "Ops (mailto:ops@x.y)",
    "see <a href='https://x.y'></a>": "see https://x.y",
    "<a href='#top'>top</a> <a>no</a> <a href='javascript:x()'>js</a> <a href=''>none</a>": "top no js none",
    "<a title='a > b' href='https://x.y'>t</a>": "t (https://x.y)",
    "<a title='href=\"https://bad\"' href='https://x.y'>t</a>": "t (https://x.y)",
    "<a data-href='https://bad'>t</a>": "t",
    "<a href='https://x.y'><p>block</p></a>after": "block\n(https://x.y)after",
    "<p><img alt='CPU at 100 %' src='https://x.y/c.png'></p>": "CPU at 100 % (https://x.y/c.png)",
    "<p>see <img src='https://x.y/c.png'/></p>": "see https://x.y/c.png",
    "<p><img alt='chart' src='data:image/png;base64,AAAA'><img></p>": "chart",
    "<a href='https://x.y'><img src='https://x.y/c.png' alt='c'></a>": "c (https://x.y/c.png) (https://x.y)",
    # Not a tag of a matched pair
    "<p>Rolled back <checkout-api> to &lt;v1.2&gt;</p>": "Rolled back <checkout-api> to <v1.2>",
    "<p>unclosed <b>bold</p>": "unclosed <b>bold",
    "<b>one <b>two</b>": "<b>one two",
    "<b><i>crossed</b></i>": "crossed",
    "<p>a <b c</p>": "a <b c",
    "<p>if a<b and c>d</p>": "if a<b and c>d",
    "<config><b>x</b></config>": "<config>x</config>",
    "<p>npm run <script> failed</p>": "npm run <script> failed",
    "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>": "<script>alert(1)</script>",
    "<span title=\"a > b\" data-x='</span>'>text</span>": "text",
    "<p>it's <i>John's</i> \"quote</p>": "it's John's \"quote",
    # Removed
    "<style>p > b {}</style><script>'<p>'</script ><p>seen</p>": "seen",
    "<p>seen</p><SCRIPT src=x>alert('</p>')</SCRIPT>": "seen",
    "<!-- hidden > --><b>shown</b><!---->!<!-->?": "shown!?",
    "<b>one</b> <!-- not closed": "one <!-- not closed",
    "<!DOCTYPE html><html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502</h1></center>"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>": "502 Bad Gateway\n502\nnginx",
    # Entities
    "<b>&amp;lt; &eacute; &#65;&#x42; &hearts;</b>": "&lt; é AB ♥",
    "<b>&unknown; &amp &; &#; &#x; &nosuch;x</b>": "&unknown; &amp &; &#; &#x; &nosuch;x",
    "<b>&#0; &#xD800; &#x110000; &#12345678;</b>": "\ufffd \ufffd \ufffd &#12345678;",
}
MILLION = 1_000_000
PIECES = [
    *("<a", "<", "&", "&#1", "&amp", '"', "'", '<a "', "<p \"'", "<b>", "</b>", "<p ", "<p =", "</p", "</p  ", "<!--"),
    *("-->", "<!doctype", "<script>", "</script", "<style", "<pre>", "<li>", "<br>", "<a href=x>", "<img src='"),
    *("\u0301", "0", "9,", "\n", " \n", " ", "\t ", "\ud800", "<\u0301"),
]


@pytest.mark.parametrize("text", KEPT, ids=ascii)
def test_a_text_without_a_matched_pair_stays_unchanged(text: str) -> None:
    assert html_to_text(text) == text


@pytest.mark.parametrize("text", CONVERTED, ids=ascii)
def test_html_becomes_text(text: str) -> None:
    assert html_to_text(text) == CONVERTED[text]


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_megabyte_of_one_piece_stays_unchanged(piece: str) -> None:
    text = piece * (MILLION // len(piece))
    assert html_to_text(text) == text


@pytest.mark.parametrize(
    "piece", ["<a", "<", "&", "&#1", '"', "'", "</p", "-->", "\u0301", "0", "<!doctype", "<\ud800"]
)
def test_a_megabyte_of_one_piece_in_html_is_text(piece: str) -> None:
    text = piece * (MILLION // len(piece))
    assert html_to_text(f"<p>{text}</p>") == text


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        ("<b></b>", ""),
        (" <b> </b>", ""),
        ("<br>", ""),
        ("<!-->", ""),
        ("<style></style>", ""),
        ("<b>x</b>", "x" * (MILLION // 8)),
        ("&#65;", "A" * (MILLION // 5)),
        ("\n \n", ""),
        ("<a href=x>", "<a href=x>" * (MILLION // 10)),
        ("<a href=x></a>", "x" * (MILLION // 14)),
        ("<li>x</li>", "\n".join(["- x"] * (MILLION // 10))),
    ],
)
def test_a_megabyte_of_tags(piece: str, text: str) -> None:
    assert html_to_text(f"<div>{piece * (MILLION // len(piece))}</div>") == text


@pytest.mark.parametrize("element", ["a href='https://x.y'", "li", "pre", "div", "td", "b"])
def test_deeply_nested_elements(element: str) -> None:
    depth = 20_000
    text = html_to_text(f"<{element}>" * depth + "text" + f"</{element.split(maxsplit=1)[0]}>" * depth)
    assert text.removeprefix("- ").startswith("text")


@pytest.mark.parametrize("digits", ["9" * 5000, "0" * 5000 + "65", "x" + "f" * 5000])
def test_a_number_of_thousands_of_digits_is_not_an_entity(digits: str) -> None:
    assert html_to_text(f"<b>&#{digits};</b>") == f"&#{digits};"
    assert decode_entities(f"&#{digits};") == f"&#{digits};"


@settings(deadline=None, derandomize=True)
@given(st.text().filter(lambda text: not set(text) & {"<", "&"}))
def test_a_text_without_tags_and_entities_stays_unchanged(text: str) -> None:
    assert html_to_text(text) == text


@settings(deadline=None, derandomize=True)
@given(st.lists(st.from_regex(r"[a-z]{1,8}[.,]?", fullmatch=True), min_size=1))
def test_no_word_is_lost(words: list[str]) -> None:
    html = "".join(f"<p>{word}</p> <b>{word}</b> <{word}-x>" for word in words)
    assert re.findall(r"[a-z]+", html_to_text(html)) == [
        part for word in words for part in re.findall(r"[a-z]+", f"{word} {word} {word}-x")
    ]


SOUP = [*CONVERTED, *KEPT, *PIECES, "</a>", "</pre>", "</li>", "<td>", "</td>", "word", "&lt;", "&gt;"]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(SOUP)).map("".join))
@example("<a href=x><pre></a></pre>")
@example("<pre><a href=x></pre>x</a>")
def test_no_text_raises_and_plain_output_is_final(text: str) -> None:
    converted = html_to_text(text)
    assert converted == text or converted == converted.strip()
    if "<" not in converted:
        assert html_to_text(converted) == converted


LONG = 3 * MAX_HTML


@pytest.mark.parametrize("end", ["</p>", "</b></p></div>", "</P >\n", "", "<p>"])
def test_the_start_of_long_html_is_converted_and_the_rest_counted(end: str) -> None:
    html = "<div><p><b>Down:</b> <i>all</i> of " + "x" * LONG + end
    text = start_to_text(html)
    assert text.startswith("Down: all of xxx")
    assert text.endswith(f"x\n… [{len(html) - MAX_HTML:,} more characters of HTML are not shown]")
    assert len(text) < MAX_HTML + 100


@pytest.mark.parametrize(
    "text", ["x" * LONG, "<p>" + "x" * LONG, "a </b" * LONG, "<checkout-api> </checkout-api>" + "x" * LONG]
)
def test_long_text_that_is_not_html_is_unchanged(text: str) -> None:
    assert start_to_text(text) == text


def test_short_html_is_converted_in_full() -> None:
    assert start_to_text("<p>a</p>") == html_to_text("<p>a</p>") == "a"
