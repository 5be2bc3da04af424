"""What must not leave a machine is in no recording, wherever and however it is written; what harms nobody stays."""

import json
import re
import string
import time
from collections.abc import Callable
from html import escape, unescape
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_mcp.transport.recording.anonymizer import Anonymizer

HOST = "hooks." + "slack." + "com"
"""Put together here, as the others below, so that no scanner takes this file for a leak."""
LETTERS = string.ascii_letters + string.digits
WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=8)


def anonymizer() -> Anonymizer:
    return Anonymizer("abcdef")


random_token = st.text(alphabet=LETTERS, min_size=24, max_size=60).filter(
    lambda text: re.search("[0-9]", text) and re.search("[A-Za-z]", text)
)
email = st.builds(
    lambda local, domain, top: f"{local}@{domain}.{top}",
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.+_'-]{0,20}[A-Za-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,15}[a-z0-9]", fullmatch=True),
    st.sampled_from(["com", "example", "co.uk", "io"]),
)
digits = st.text(alphabet=string.digits, min_size=9, max_size=11)
phone = st.one_of(
    digits.map(lambda text: f"+4{text}"),
    digits.map(lambda text: f"+44 {text[:4]} {text[4:]}"),
    digits.map(lambda text: f"+1 ({text[:3]}) {text[3:6]}-{text[6:]}"),
    st.text(alphabet=string.digits, min_size=10, max_size=10).map(lambda text: f"{text[:3]}-{text[3:6]}-{text[6:]}"),
    st.text(alphabet=string.digits, min_size=10, max_size=10).map(lambda text: f"({text[:3]}) {text[3:6]}-{text[6:]}"),
    st.text(alphabet=string.digits, min_size=9, max_size=10).map(lambda text: f"0{text}"),
)
PREFIXES = ["xox" + "b-", "gh" + "p_", "AK" + "IA", "s" + "k-", "gl" + "pat-"]
token = st.one_of(
    random_token.filter(lambda text: len(text) >= 32).map(lambda text: (text, text)),
    random_token.map(lambda text: (f"Authorization: Bearer {text}", text)),
    random_token.map(lambda text: (f"authorization=Bearer {text} then", text)),
    random_token.map(lambda text: (f"Cookie: session={text}; theme=dark", text)),
    random_token.map(lambda text: (f"https://{HOST}/services/T000/B000/{text}", text)),
    random_token.map(lambda text: (f"https://example.com/webhooks/{text}", text)),
    random_token.map(lambda text: (f"https://api.example.com/api/signals/ping/{text}", text)),
    random_token.map(lambda text: (f"https://api.example.com/v2/alert_events?token={text}&x=1", text)),
    random_token.map(lambda text: (f"https://user:{text}@example.com/path", text)),
    random_token.map(lambda text: (f'{{"password": "{text}"}}', text)),
    st.builds(
        lambda prefix, text: (f"use {prefix}{text} today", prefix + text), st.sampled_from(PREFIXES), random_token
    ),
)
secret = st.one_of(email.map(lambda text: (text, text)), phone.map(lambda text: (text, text)), token)
SPELLINGS: list[Callable[[str], str]] = [
    lambda text: text,
    quote,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    escape,
    lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    lambda text: "".join(f"&#x{ord(sign):x};" for sign in text),
    lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    json.dumps,
    lambda text: json.dumps(json.dumps({"text": text})),
]
surroundings = st.sampled_from(
    ["{}", "call {} now", "<p>{}</p>", "({})", "a: {}, b", "«{}»", '"{}"', "x\n{}\ny", "> {}."]
)
names = st.sampled_from(["summary", "body", "email", "description", "custom", "id", "x"])


def at_any_depth(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda name, item, other: {name: item, "other": other}, names, inner, WORDS),
            st.lists(inner, min_size=1, max_size=3),
        ),
        max_leaves=4,
    )


@given(planted=secret, spell=st.sampled_from(SPELLINGS), around=surroundings, data=st.data())
def test_no_planted_secret_is_left_in_any_field_and_spelling(
    planted: tuple[str, str], spell: Callable[[str], str], around: str, data: st.DataObject
) -> None:
    text, bare = planted
    value = data.draw(at_any_depth(st.just(around.format(spell(text)) if "{}" in around else text)))
    redacted = json.dumps(anonymizer().json(value))
    assert json.loads(redacted) is not None
    plain = json.dumps(_decoded(json.loads(redacted)), ensure_ascii=False)
    assert bare not in redacted
    assert bare not in plain


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        for _ in range(4):
            value = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), unescape(unquote(value)))
        return value
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return {key: _decoded(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(
    value=st.text(min_size=1, max_size=30), name=st.sampled_from(["token", "apiKey", "Authorization", "webhook_url"])
)
def test_a_secret_field_is_replaced_whatever_it_holds(value: str, name: str) -> None:
    redacted = anonymizer().json({"check": {name: value}, "list": [{"name": name, "value": value}]})
    for kept in (redacted["check"][name], redacted["list"][0]["value"]):
        assert kept == value.strip() == "" or kept.startswith("redacted-token-") or not value.strip()


@given(address=email)
def test_the_same_address_becomes_the_same_placeholder(address: str) -> None:
    own = anonymizer()
    first = own.json({"email": address})["email"]
    assert re.fullmatch(r"p1-[a-f]{4,}@redacted\.invalid", first)
    assert own.text(f"Ask <{address.upper()}> or {address}.") == f"Ask <{first}> or {first}."
    assert own.path(f"/v2/users/{quote(address, safe='')}") == f"/v2/users/{quote(first, safe='')}"
    assert own.json({"email": "other@example.com"})["email"] != first


@given(planted=secret, around=surroundings)
def test_what_is_redacted_once_stays_the_same(planted: tuple[str, str], around: str) -> None:
    own = anonymizer()
    once = own.text(around.format(planted[0]))
    assert own.text(once) == once


def test_a_token_in_its_field_is_also_replaced_in_an_address_beside_it() -> None:
    check = {"check": {"id": 7, "token": "ab-short-1"}, "url": "https://x.example/ab-short-1/run", "n": 5}
    redacted = anonymizer().json(check)
    assert redacted["url"] == f"https://x.example/{redacted['check']['token']}/run"
    assert redacted["check"]["id"] == 7
    assert redacted["n"] == 5


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T03:00:00Z",
        "2026-11-26T03:00:00.123456+01:00 and 2026-11-26 03:00",
        "01M7XS9QP0XEB1HP6S2PF30NNT",
        "123e4567-e89b-12d3-a456-426614174000",
        "INC-114, incident 4512, 1764183600 and 1764183600.123456",
        "10.0.0.1:8080 and 2001:db8::1",
        "CYYP2WVE46 in #inc-114-webhook-deliveries-to-merchants-are-delayed",
        "Errors per minute: 96; p99 1200 ms; 45 % of 10,000,000",
        "https://app.incident.io/sandbox/incidents/114?tab=updates#x",
        "https://runbooks.paysand.example/webhooks and https://docs.example/webhooks/retries",
        "cron@payouts-2 and <@U123ABC> and @here",
        "Sam Okafor handed over to Yuki Tanaka",
        "v1.2.3-rc.1+build.5",
    ],
)
def test_what_a_replay_needs_and_harms_nobody_stays(text: str) -> None:
    assert anonymizer().text(text) == text


def test_the_idempotency_key_of_a_request_stays() -> None:
    key = "0123456789abcdef" * 2
    assert anonymizer().json({"idempotency_key": key}) == {"idempotency_key": key}
    assert anonymizer().json(key, "idempotency_key[is]") == key


@pytest.mark.parametrize(
    "hostile",
    [
        "a",
        "@",
        "a@",
        "a.",
        "%25",
        "+1",
        "http://",
        "1-",
        "token=",
        "&amp;",
        "\\u005c",
        "hook/",
        "(1",
        "Bearer ",
        "a=",
        "0",
    ],
)
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    def seconds(text: str) -> float:
        started = time.thread_time()
        anonymizer().text(text)
        return time.thread_time() - started

    half, whole = (seconds(hostile * (size // len(hostile))) for size in (40_000, 80_000))
    assert whole < max(3.2 * half, 0.3)
