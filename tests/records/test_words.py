"""Text search: terms in any order, in part and in any common spelling."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_mcp.records.words import MAX_QUERY, MAX_TERMS, MAX_TEXT, matched, parse

PARSED = {
    "": [],
    " \t\n": [],
    "webhook delay": ["webhook", "delay"],
    "  Webhook   DELAY\n": ["webhook", "delay"],
    '"webhook" (delay), `api`!': ["webhook", "delay", "api"],
    "\u201cwebhook\u201d \u00abdelay\u00bb": ["webhook", "delay"],
    "Café": ["cafe"],
    "Cafe\u0301": ["cafe"],
    "\uff23\uff28\uff25\uff23\uff2b\uff2f\uff35\uff34": ["checkout"],
    "Straße": ["strasse"],
    "\u0130stanbul": ["istanbul"],
    "check\u00adout web\u200bhook": ["checkout", "webhook"],
    "checkout-api": ["checkout api"],
    "checkout\u2011api": ["checkout api"],
    "db_1 v1.2 #114": ["db 1", "v1 2", "114"],
    "down down DOWN": ["down"],
    "... - -- \u2014 \"' `": [],
    "決済 障害": ["決済", "障害"],
    "c++ 🔥": ["c++", "🔥"],
    "\ud800": [],
}
FINDS = [
    ("webhook delay", "Webhook deliveries are delayed"),
    ("delay webhook", "Webhook deliveries are delayed"),
    ("deliver", "Webhook deliveries are delayed"),
    ("delays", "Webhook deliveries are delayed"),
    ("delaying", "Webhook deliveries are delayed"),
    ("delivery", "Webhook delivery"),
    ("deliveries", "Webhook delivery is late"),
    ("caches", "Caching is off"),
    ("errors failing", "An error: it failed"),
    ("webhooks", "Webhook"),
    ("cafe", "Café down"),
    ("café", "Cafe down"),
    ("CAFÉ", "cafe\u0301 down"),
    ("checkout api", "checkout-api"),
    ("checkout-api", "Checkout API"),
    ("checkout_api", "the `checkout/api` is down"),
    ("ＡＰＩ", "Checkout API"),  # noqa: RUF001  # full width
    ("api", "Ｃｈｅｃｋｏｕｔ ＡＰＩ"),  # noqa: RUF001  # full width
    ("db-1", "db-12 is full"),
    ("db", "db-12 is full"),
    ("eu", "search in eu-west-1"),
    ("is", "What is (is) down"),
    ("500", "HTTP 500s"),
    ("決済", "決済サービスの障害"),
    ("платежи", "Платежи не проходят"),
    ("strasse", "STRAẞE"),
    ("🔥", "checkout 🔥"),
]
MISSES = [
    ("db-2", "db-12 is full"),
    ("db-12", "db-1 is full"),
    ("checkout-api", "API of the checkout"),
    ("string", "str"),
    ("paging", "pagoda"),
    ("speed", "spe"),
    ("status", "stat"),
    ("v10s", "v10"),
    ("apis", "api"),
    ("login", "logout"),
    ("is", "The list of this"),
    ("a", "Checkout"),
    ("eu", "queue"),
]
HOSTILE = [
    "<a",
    "&",
    '"',
    "\u0301",
    "\u0316\u0301",
    "0",
    "a",
    " ",
    "a ",
    "\ufdfa",
    "\ud800",
    "が",
    "ing",
    "\u1112\u1161\u11ab",
]


@pytest.mark.parametrize("query", PARSED, ids=ascii)
def test_a_query_is_split_into_terms(query: str) -> None:
    assert parse(query) == PARSED[query]


@pytest.mark.parametrize(("query", "text"), FINDS)
def test_all_terms_match(query: str, text: str) -> None:
    words = parse(query)
    assert matched(words, text) == len(words) > 0


@pytest.mark.parametrize(("query", "text"), MISSES)
def test_other_terms_do_not_match(query: str, text: str) -> None:
    assert matched(parse(query), text) == 0


def test_terms_may_match_in_different_texts() -> None:
    words = parse("checkout delayed eu")
    assert matched(words, "Checkout", None, "", "a delay") == 2
    assert matched(words, "Checkout", "a delay", "EU") == 3
    assert matched(words) == matched(words, None) == matched([], "Checkout") == 0


def test_queries_and_texts_are_bounded() -> None:
    assert parse(" ".join(f"word{number}" for number in range(100))) == [f"word{number}" for number in range(MAX_TERMS)]
    assert parse("a" * MAX_QUERY + "b") == ["a" * MAX_QUERY]
    assert matched(["down"], " " * (MAX_TEXT - 4) + "down") == 1
    assert matched(["down"], " " * (MAX_TEXT - 3) + "down") == 0


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_a_megabyte_of_one_piece(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    words = parse(text)
    assert len(words) <= MAX_TERMS
    assert matched(words, text, text) == len(words)
    assert matched(["checkout"], text) == 0


@settings(deadline=None, derandomize=True)
@given(st.text(), st.text())
def test_every_text_matches_its_own_words(query: str, around: str) -> None:
    words = parse(query)
    assert matched(words, query[:MAX_TEXT]) == len(words)
    assert 0 <= matched(words, around) <= len(words)


@settings(deadline=None, derandomize=True)
@given(st.text(st.characters(categories=["L", "N"]), max_size=50))
def test_case_width_and_accents_make_no_difference(text: str) -> None:
    words = parse(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert parse(unicodedata.normalize(form, text)) == words
    assert parse(text.casefold()) == words
